-- The readings of some nodes in [from_ms, to_ms), by time.
--
--   whole     files of which every row counts
--   partial   files of which the hours in `stale_hours` are sealed elsewhere by now
--   late      rows that arrived after their hour was sealed, or whose hour is not sealed
--   placed    the window of the log that holds what was in none when it was sealed
--   disputed  sequences that another content contradicts: left out wherever they are
WITH reading AS (
  SELECT * FROM whole
  UNION ALL
  SELECT * FROM partial WHERE NOT list_contains($stale_hours, time_ms // 3600000)
  UNION ALL
  SELECT * FROM late
),
wanted AS (
  SELECT *
  FROM reading
  WHERE time_ms >= $from_ms
    AND time_ms < $to_ms
    AND node_index BETWEEN $first_node AND $last_node
    AND list_contains($nodes, node_index)
),
settled AS (
  SELECT *
  FROM wanted
  WHERE NOT EXISTS (
    FROM disputed
    WHERE disputed.node_index = wanted.node_index
      AND wanted.sequence >= disputed.first_sequence
      AND wanted.sequence < disputed.next_sequence
  )
)
SELECT
  settled.* EXCLUDE (log_window),
  CASE
    WHEN coalesce(settled.log_window, placed.log_window) < $anchored_count THEN 'anchored'
    ELSE 'received'
  END AS state
FROM settled
ASOF LEFT JOIN placed
  ON settled.node_index = placed.node_index
  AND settled.sequence >= placed.first_sequence
ORDER BY settled.time_ms, settled.node_index
