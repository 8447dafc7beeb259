CREATE VIEW `shops`.`forecast` (
  `shop` COMMENT 'its number',
  `forecast`
)
COMMENT 'what will be sold'
TBLPROPERTIES ('k' = 'it\'s')
WITH SCHEMA COMPENSATION
AS
SELECT store, PREDICT('sales', 'champion', *) AS forecast
FROM next_week -- the newest
/* lakepredict
{
  "format": 1,
  "kind": "view",
  "properties": {
    "k": "it's",
    "view.query.out.col.0": "store",
    "view.query.out.col.1": "forecast",
    "view.query.out.numCols": "2",
    "view.schemaMode": "COMPENSATION"
  },
  "comment": "what will be sold",
  "owner": "",
  "createTime": 1764028800000,
  "createVersion": "4.2.0",
  "columns": [
    {"name": "shop", "type": "integer", "nullable": true, "metadata": {"comment": "its number"}},
    {"name": "forecast", "type": "double", "nullable": true, "metadata": {}}
  ]
}
*/
