-- The readings of some nodes in [from_ms, to_ms), by time, where no sequence is disputed and each
-- sealed reading knows its window of the log: the usual case. See readings.sql for the names.
WITH reading AS (
  SELECT * FROM whole
  UNION ALL
  SELECT * FROM partial WHERE NOT list_contains($stale_hours, time_ms // 3600000)
  UNION ALL
  SELECT * FROM late
)
SELECT
  * EXCLUDE (log_window),
  CASE WHEN log_window < $anchored_count THEN 'anchored' ELSE 'received' END AS state
FROM reading
WHERE time_ms >= $from_ms
  AND time_ms < $to_ms
  AND node_index BETWEEN $first_node AND $last_node
  AND list_contains($nodes, node_index)
ORDER BY time_ms, node_index
