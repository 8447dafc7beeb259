CREATE FUNCTION `shops`.`forecast`(x DOUBLE COMMENT 'a price')
RETURNS DOUBLE
COMMENT 'it\'s a forecast'
RETURN
PREDICT('sales', 1, x)
/* lakepredict
{
  "format": 1,
  "kind": "function",
  "class": "sqlFunction.",
  "properties": {
    "sqlFunction.comment": "it's a forecast",
    "sqlFunction.inputParam": "x DOUBLE COMMENT 'a price'",
    "sqlFunction.isTableFunc": "false",
    "sqlFunction.returnType": "DOUBLE"
  },
  "body": "sqlFunction.expression"
}
*/
