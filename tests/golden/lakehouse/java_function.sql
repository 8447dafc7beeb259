CREATE FUNCTION `shops`.`forecast` AS 'org.example.Upper' USING JAR 'hdfs://host/upper.jar'
/* lakepredict
{
  "format": 1,
  "kind": "function",
  "class": "org.example.Upper",
  "resources": [
    ["jar", "hdfs://host/upper.jar"]
  ]
}
*/
