#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Kuryr Authors
"""neutron-server with one pause shortened.

When OVN reports a port up that is not bound, ML2 asks its database ten times,
half a second apart, whether it is bound now. For a router's interface it never
is, and the one thread that does this also handles every other port-up event: after
a start, and after each router interface, no port becomes ACTIVE for five
seconds. Here the pause is 50 ms.
"""
import sys
import types

from neutron.cmd.eventlet import server  # first: it monkey-patches
from neutron.plugins.ml2 import plugin

# greenthread in Zed, time in 2025.1.
name = 'greenthread' if hasattr(plugin, 'greenthread') else 'time'
if hasattr(plugin, name):
    real = getattr(plugin, name)
    patched = types.SimpleNamespace(**{k: getattr(real, k) for k in dir(real) if not k.startswith('__')})
    patched.sleep = lambda seconds=0: real.sleep(0.05 if seconds == 0.5 else seconds)
    setattr(plugin, name, patched)

sys.argv[0] = '/usr/bin/neutron-server'
sys.exit(server.main())
