-- Computed anew by each run, with the champion of that moment.
CREATE MATERIALIZED VIEW forecasts AS
SELECT store, week, PREDICT('sales_forecast', 'champion', *) AS forecast FROM next_week;

-- Each row of the features is scored once, by the first run that sees it.
CREATE STREAMING TABLE scored_weeks AS
SELECT store, week, PREDICT('sales_forecast', 'champion', *) AS forecast FROM STREAM(weekly_features);
