-- The quarter-hours of every node in [from_ms, to_ms), summed again from sealed readings.
SELECT
  node_index,
  time_ms // 900000 AS quarter,
  count(*) AS reading_count,
  count_if(quality <> 0)::BIGINT AS flagged_count,
  sum(greatest(power_w, 0))::BIGINT * 4 AS import_ws,
  sum(greatest(-power_w, 0))::BIGINT * 4 AS export_ws,
  min(time_ms) // 4000 AS first_slot,
  arg_min(import_wh, time_ms) AS first_import_wh,
  arg_min(export_wh, time_ms) AS first_export_wh,
  max(time_ms) // 4000 AS last_slot,
  arg_max(power_w, time_ms) AS last_power_w,
  arg_max(import_wh, time_ms) AS last_import_wh,
  arg_max(export_wh, time_ms) AS last_export_wh
FROM whole
WHERE time_ms >= $from_ms AND time_ms < $to_ms
GROUP BY ALL
ORDER BY ALL
