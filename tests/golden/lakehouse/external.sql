CREATE TABLE `shops`.`forecast`
USING delta
LOCATION 'hdfs://host/it\'s/forecast'
/* lakepredict
{
  "format": 1,
  "kind": "external",
  "location": "hdfs://host/it's/forecast"
}
*/
