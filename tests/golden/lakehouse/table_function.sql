CREATE FUNCTION `shops`.`forecast`(least DOUBLE)
RETURNS TABLE(store INT)
RETURN
SELECT store FROM forecasts WHERE forecast > least
/* lakepredict
{
  "format": 1,
  "kind": "function",
  "class": "sqlFunction.",
  "properties": {
    "sqlFunction.inputParam": "least DOUBLE",
    "sqlFunction.isTableFunc": "true",
    "sqlFunction.returnType": "store INT"
  },
  "body": "sqlFunction.query"
}
*/
