CREATE SCHEMA IF NOT EXISTS `shops`
COMMENT 'of the shops'
LOCATION 'hdfs://host/shops'
WITH DBPROPERTIES ('k' = 'v', 'owner' = 'ann')
/* lakepredict
{
  "format": 1,
  "kind": "schema",
  "comment": "of the shops",
  "location": "hdfs://host/shops",
  "properties": {
    "k": "v",
    "owner": "ann"
  }
}
*/
