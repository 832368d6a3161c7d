"""The tests of push sockets and RPC streams, once more, without the frame sink."""

from tests.integration.wire.conftest import *  # noqa: F403 - its fixtures, over this folder's server
from tests.integration.wire.test_push import *  # noqa: F403 - the same tests: what they find must not depend on the sink
from tests.integration.wire.test_stream_life import *  # noqa: F403 - as above
from tests.integration.wire.test_streams import *  # noqa: F403 - as above
from tests.integration.wire.test_trade_stream import *  # noqa: F403 - as above
