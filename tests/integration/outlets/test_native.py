"""The tests of the native family's modes and streams, once more, without the frame sink."""

from tests.integration.native.conftest import *  # noqa: F403 - its fixtures, over this folder's server
from tests.integration.native.test_modes import *  # noqa: F403 - the same tests: what they find must not depend on the sink
from tests.integration.native.test_streams import *  # noqa: F403 - as above
