"""Counters and histograms, named and typed once."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

MALFORMED = Counter(
    "gw_malformed_total", "Stored values that could not be read, and were skipped.", ["stream", "reason"]
)
REFUSED_KEYS = Counter(
    "gw_refused_keys_total", "Keys not carried: their log already holds its limit.", ["stream"]
)
APPENDED = Counter("gw_appended_total", "Updates numbered and appended to a log.", ["stream"])
APPEND_REFUSED = Counter(
    "gw_append_refused_total", "Batches that fencing or an unexpected position refused.", ["reason"]
)
NEW_EPOCHS = Counter(
    "gw_new_epochs_total", "Logs whose contents are no longer those that readers knew.", ["stream"]
)
NOTICES = Counter("gw_notices_total", "Hints that a key of the layout changed.", ["carrier"])
NOTICE_RESETS = Counter(
    "gw_notice_resets_total", "Times the notice connection was lost and everything was read again."
)
RELAY_LEADING = Gauge("gw_relay_leading", "1 while this process is the relay that appends.")
RELAY_LAG_S = Histogram(
    "gw_relay_lag_seconds",
    "From the notice of a change to its append.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
ROWS_FOUND_LATE = Counter(
    "gw_rows_found_late_total", "Keys whose new rows the relay's look found, and no notice.", ["stream"]
)
ROWS_UNREADABLE = Counter(
    "gw_rows_unreadable_total", "Times that rows could not be read: the database was away.", ["stream"]
)
HOP_S = Histogram(
    "gw_hop_seconds",
    "One leg of an update's way, sampled: source_to_relay (source's own stamp to append), relay_to_reader, reader_to_socket.",
    ["hop", "stream"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
LOG_ENTRIES = Gauge(
    "gw_log_entries", "Entries that the logs of a stream hold; told by the relay that leads.", ["stream"]
)
LOG_BYTES = Gauge(
    "gw_log_bytes",
    "Memory that the logs of a stream take in Redis; told by the relay that leads.",
    ["stream"],
)
LOG_BYTES_BUDGET = Gauge(
    "gw_log_bytes_budget",
    "LOG_BYTES_BUDGET, for comparison with the sum of gw_log_bytes; 0 while not leading.",
)
ARCHIVE_READS = Counter(
    "gw_archive_reads_total",
    "Pages of rows that sockets read because the log's view did not hold them.",
    ["stream"],
)
TAIL_SKIPPED = Counter("gw_tail_skipped_total", "List elements not carried, by reason.", ["stream", "reason"])
LOG_READS = Counter("gw_log_reads_total", "Entries that this process' reader took from the logs.", ["stream"])
PARTITIONS = Gauge(
    "gw_quiet_partitions",
    "Logs that a native socket is told are not fresh, by state: stale or dead.",
    ["state"],
)
REPLAYS = Counter(
    "gw_replays_total",
    "Replays that ended: live, stopped by the client, lost because the log was trimmed or replaced, or failed.",
    ["outcome"],
)
REPLAYS_RUNNING = Gauge("gw_replays_running", "Replays under way.")
REPLAYED = Counter("gw_replayed_frames_total", "Frames of the past told by replays.", ["stream"])
LOG_PAGES = Counter(
    "gw_log_pages_total", "Pages of logs for sockets that catch up: read, or shared with another.", ["how"]
)
CONSUMER_FAILURES = Counter("gw_consumer_failures_total", "Sockets closed with 1011: a defect of ours.")
RENDER_FAILURES = Counter(
    "gw_render_failures_total", "Updates that a family failed to render: a defect of ours."
)
READER_RECONNECTS = Counter("gw_reader_reconnects_total", "Times the log reader lost Redis.")
READER_FAILURES = Counter(
    "gw_reader_failures_total", "Times the log reader failed and began again: a defect of ours."
)
FOREIGN_ENTRIES = Counter("gw_foreign_entries_total", "Log entries skipped because no relay wrote them.")
DELIVERED = Counter("gw_delivered_frames_total", "Frames of updates handed to hot sockets.", ["stream"])
COLD = Counter("gw_cold_total", "Times a subscription went cold, by reason.", ["reason"])
SUBSCRIPTIONS = Gauge("gw_subscriptions", "Subscriptions of open sockets and channels.", ["stream"])
COLD_SUBSCRIPTIONS = Gauge("gw_cold_subscriptions", "Subscriptions that are cold now.", ["stream"])
SKIPPED = Counter(
    "gw_skipped_updates_total", "Updates that a slow latest-subscription never saw.", ["stream"]
)
OFF_LOG = Counter(
    "gw_off_log_total",
    "Subscriptions whose next update the log no longer held, or who read too slowly.",
    ["reason"],
)
SNAPSHOTS = Counter("gw_snapshots_total", "Snapshots sent, by why they were needed.", ["reason"])
SOCKETS = Gauge("gw_sockets", "Open sockets.", ["family"])
REFUSALS = Counter("gw_refusals_total", "Handshakes refused, by code.", ["code"])
CLOSES = Counter("gw_closes_total", "Sockets that the gateway closed, by reason.", ["reason"])
REQUEST_ERRORS = Counter("gw_request_errors_total", "Requests answered with an error, by code.", ["code"])
LAYER_RECONNECTS = Counter(
    "gw_layer_reconnects_total", "Times the channel layer lost its connection to Redis, and began a new one."
)
LAYER_DROPPED = Counter(
    "gw_layer_dropped_total", "Channel-layer messages dropped because a channel's queue was full."
)
NEWS_LOST = Counter(
    "gw_news_lost_total", "News of users and their agents that could not be announced: Redis was away."
)
CENSUS_FAILURES = Counter(
    "gw_census_failures_total",
    "Times Redis could not be told how many sockets users have here; the limit then holds for each worker alone.",
)
CONTROL_MESSAGES = Counter("gw_control_messages_total", "Messages on the control channel, by kind.", ["kind"])
OPERATOR_QUESTIONS = Counter(
    "gw_operator_questions_total",
    "Questions of the operators' page that reached this process: answered, unanswered, dropped, malformed.",
    ["outcome"],
)
ENDINGS = Counter(
    "gw_socket_ends_total", "Sockets that ended, by who ended them: gateway, client, or neither.", ["by"]
)
ENDINGS_LOST = Counter(
    "gw_endings_lost_total", "Endings that could not be kept for a look-up: Redis was away for too long."
)
HEALTH_FAILURES = Counter(
    "gw_health_failures_total", "Looks at a neighbour that failed or took longer than 1 s.", ["component"]
)
CHILD_ENDS = Counter(
    "gw_child_ends_total", "Workers and relays that ended by themselves and were replaced.", ["child"]
)
ROLLING_RESTARTS = Counter(
    "gw_rolling_restarts_total",
    "Rolling restarts by outcome; one whose successors do not come up is given up, and what served serves on.",
    ["outcome"],
)
SCRAPES_FAILED = Counter(
    "gw_scrapes_failed_total",
    "Processes that did not tell their metrics when one of them was asked for all.",
    ["process"],
)
PUBLISHED = Counter("gw_published_total", "Values that producers published over REST.", ["stream"])
AGENTS_APPENDED = Counter("agents_events_appended_total", "Agent events stored, by type.", ["type"])
AGENTS_REFUSALS = Counter("agents_refusals_total", "Requests about agent runs refused, by code.", ["code"])
AGENTS_OUT_OF_ORDER = Counter("agents_out_of_order_total", "Agent events that the run's grammar refused.")
AGENTS_ISOLATION_REFUSALS = Counter(
    "agents_isolation_refusals_total", "Requests that named another user than they may speak for."
)
AGENTS_ENDED = Counter("agents_runs_ended_total", "Agent runs that ended, by status.", ["status"])
AGENTS_TRIMMED = Counter("agents_events_trimmed_total", "Agent events dropped by retention.")
AGENTS_INGESTED = Counter(
    "agents_ingest_entries_total", "Signed entries taken from Redis, by outcome.", ["outcome"]
)
AGENTS_RUNNER_ENDS = Counter(
    "agents_runner_ends_total", "Runs executed by this process' runner, by outcome.", ["outcome"]
)
