-- The windows that some expectations were due by
SELECT version, expectation, learned_at, learned, unit, window_s, window_bd, lags, quantile
FROM learned_windows
WHERE workflow = {workflow:String} AND (version, expectation, learned_at) IN {asked:Array(Tuple(String, String, DateTime64(6, 'UTC')))}
