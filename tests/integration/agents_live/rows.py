"""The acceptance table of the agents family: what each row demands, and what shows it.

Sections 1 and 2 (``A3``, ``A4``) list capabilities and numbers; section 3 what else must hold: isolation (I), order (O),
resume (R), performance (P), secrecy (S).
"""

from __future__ import annotations

from dataclasses import dataclass

TESTED = "a test whose name has the row's id in it"


@dataclass(frozen=True)
class Row:
    """``others``: tests elsewhere. ``lines``: figures that are lines of ``make bench``. ``why_none``: no test can show it."""

    demand: str
    others: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    why_none: str | None = None


def _by_check(demand: str) -> Row:
    return Row(demand, why_none="it is a property of the whole suite, which `make check` and `make test` are")


ROWS: dict[str, Row] = {
    "A3-01": Row("welcome with the own user id on all four paths, on both servers"),
    "A3-02": Row("every row of the negotiation table; no wrong format is ever admitted"),
    "A3-03": Row(
        "tokens in subprotocols are decoded strictly",
        others=("test_what_is_no_token_after_the_prefix_is_malformed",),
    ),
    "A3-04": Row("login, socket, message, five events; in 5 s", lines=("agents_live",)),
    "A3-05": Row("of three users with three formats at once one is admitted"),
    "A3-06": Row("three heartbeats are answered, within 1 s each; a quiet server beats by itself", lines=("agents_live",)),
    "A3-07": Row("a reconnect loses nothing"),
    "A3-08": Row("seven kinds of bad tokens by three carriers: error frame and 1008; 401 over REST"),
    "A3-09": Row("expiry at the connect and while connected; a fresh token prevents it"),
    "A3-10": Row(
        "what each role may, in welcome, runs and REST; a token narrows",
        others=("test_each_role_may_what_it_may",),
    ),
    "A3-11": Row("concurrent sessions of users see their own events, on each socket"),
    "A3-12": Row("tokens of any life start runs; expired ones do not; context reaches the run"),
    "A3-13": Row("without the user store 1011, never admission; it recovers by itself"),
    "A3-14": Row(
        "the five types and no other are taken",
        others=("test_all_fields_of_a_type_are_taken",),
    ),
    "A3-15": Row("a runner's tool events are pairs under one execution"),
    "A3-16": Row("the schema of each received event, in both forms"),
    "A3-17": Row(
        "received order, numbers and cursors, in every legal order of a run",
        others=("test_ten_thousand_random_walks_agree_with_a_model_of_the_grammar",),
    ),
    "A3-18": Row("publish to receive in p95 < 50 ms", lines=("agents_live",)),
    "A3-19": Row(
        "an illegal transition is refused, delivers nothing, and the run goes on",
        others=("test_every_pair_of_state_and_step_is_legal_or_refused",),
    ),
    "A3-20": Row("50 and 250 sockets at once: all of them"),
    "A3-21": Row("connect p95 < 100 ms, max < 500 ms", lines=("agents_live",)),
    "A3-22": Row("login, connect and welcome p95 < 500 ms", lines=("agents_live",)),
    "A3-23": Row("1,000 connects without a failure"),
    "A3-24": Row("< 500 MB with 250 sockets and 17,000 events; ten rounds leave nothing behind"),
    "A3-25": _by_check("the suite is quick"),
    "A3-26": _by_check("every test passes, and none is skipped"),
    "A3-27": _by_check("the suite is collected without a warning: warnings are errors"),
    "A3-28": Row("trading streams are unchanged with the agents' alias paths off and on"),
    "A3-29": Row(
        "tokens, roles and isolation",
        others=(
            "test_a3_08_and_a3_09_a_bad_token_is_told_why_and_closed_by_every_carrier",
            "test_i1_and_a3_11_twelve_users_of_two_sockets_see_their_own_five_runs_each",
        ),
    ),
    "A3-30": _by_check("one set of fixtures, a current client library, metrics, a floor for throughput"),
    "A3-31": Row("worth to a business", why_none="nothing that a program can show"),
    "A4-01": Row("no 500 in 2,000 odd handshakes, and a healthy server after them and after poison"),
    "A4-02": Row("1011 only for faults of ours; an idle socket is alive after a minute"),
    "A4-03": Row("the header alone, with an equal and with another token"),
    "A4-04": Row("all five listed; 5,000 published are 5,000 received"),
    "A4-05": Row("both directions at once"),
    "A4-06": Row("a flow of five events in < 1 s", lines=("agents_live",)),
    "A4-07": Row("connection and user ids, at top level and in data"),
    "A4-08": Row("a client that takes only what it offered"),
    "A4-09": Row("subprotocol tokens work without any setting"),
    "A4-10": Row("pages p95 < 200 ms", lines=("agents_live",)),
    "A4-11": Row("six endpoints, all 2xx, p95 < 220 ms", lines=("agents_live",)),
    "A4-12": Row("as A3-21", lines=("agents_live",)),
    "A4-13": Row("login p95 < 500 ms", lines=("agents_live",)),
    "A4-14": Row("five origins over REST and sockets"),
    "A4-15": Row(
        "all fifteen of the reliability list",
        others=(
            "test_a3_01_every_path_welcomes_its_user_on_both_servers",
            "test_r6_ten_reconnects_in_a_row_all_succeed",
            "test_o2_and_a4_04_bursts_of_2000_and_of_5000_events_arrive_whole_and_in_order",
            "test_a3_06_every_heartbeat_is_answered",
            "test_a3_20_fifty_and_250_sockets_open_at_once_without_a_failure",
            "test_a4_02_a_socket_that_says_nothing_is_alive_after_a_minute",
            "test_a3_09_a_token_that_ends_is_announced_and_ends_the_socket_in_time",
            "test_r2_a_disconnect_between_each_pair_of_events_loses_none",
            "test_s3_six_malformed_events_are_errors_each_and_the_socket_stays_open",
            "test_a4_14_a_page_of_a_listed_origin_may_and_a_foreign_one_may_not",
        ),
    ),
    "A4-16": Row("from a cold start to a completed run; in < 20 s", lines=("agents_live",)),
    "A4-17": Row("as A3-23"),
    "A4-18": Row("health and uptime; the long run is `make soak`"),
    "A4-19": Row("tokens of 200 to 4,096 characters by every carrier, none longer"),
    "A4-20": Row("users are rows, tokens are real", others=("test_a4_21_one_token_opens_rest_trading_streams_and_agents",)),
    "A4-21": Row("one token for REST, trading streams and agents"),
    "A4-22": Row("401, 403 and 422 are told apart"),
    "A4-23": Row("what is not offered is 404"),
    "A4-24": Row("careful headers"),
    "A4-25": Row("behind a proxy with a root path"),
    "A4-26": _by_check("no finding of a linter"),
    "A4-27": _by_check("no regression"),
    "I1": Row("12 users x 2 sockets x 5 runs: 0 foreign"),
    "I2": Row("150 users x 30 events at once: 0 foreign, all delivered"),
    "I3": Row("one thread id, two users, nothing shared"),
    "I4": Row("a foreign run is answered as an unknown one, everywhere"),
    "I5": Row("a forged user id is refused or ignored"),
    "I6": Row("administrators see no foreign event and no body"),
    "I7": Row("a service publishes where it started and sees nothing"),
    "I8": Row("a socket keeps its user"),
    "O1": Row("50 sockets x 100 events, in order"),
    "O2": Row("a burst of 2,000, whole and in order"),
    "O3": Row("two producers, one order"),
    "R1": Row("500 events over random cuts"),
    "R2": Row("a cut between each pair of events"),
    "R3": Row("killed processes lose nothing that was answered"),
    "R4": Row("a flush of Redis loses nothing"),
    "R5": Row("a loss is told with its exact size"),
    "R6": Row("ten reconnects all succeed; in 3 s each", lines=("agents_live",)),
    "P1": Row("latency", lines=("agents_live",)),
    "P2": Row("memory", others=("test_a3_24_250_sockets_and_17000_deliveries_fit_into_500_mb_and_rounds_leave_nothing_behind",)),
    "P3": Row("≥ 150 single and ≥ 1,500 batched appends per second", lines=("agents",)),
    "S1": Row("no token in logs, frames and reasons"),
    "S2": Row("no header instead of a token"),
    "S3": Row("six malformed events"),
}  # fmt: skip
