"""Neutron's driver for the ports of the fake compute: no agent plugs them in, so each is ready as soon as it is bound."""
from neutron_lib import constants
from neutron_lib import context as contexts
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import constants as plugins
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api


class NoopDriver(api.MechanismDriver):

    connectivity = portbindings.CONNECTIVITY_L2

    def initialize(self):
        for event in (events.AFTER_CREATE, events.AFTER_UPDATE):
            registry.subscribe(self._floating_ip, resources.FLOATING_IP, event)

    def bind_port(self, context):
        if context.host != 'fake':
            return
        for segment in context.segments_to_bind:
            context.set_binding(segment[api.ID], portbindings.VIF_TYPE_BRIDGE,
                                {portbindings.CAP_PORT_FILTER: True}, constants.PORT_STATUS_ACTIVE)
            return

    def _floating_ip(self, resource, event, trigger, payload):
        """As the L3 agent does it, where there is one: after the request has been answered."""
        admin = contexts.get_admin_context()
        if directory.get_plugin().get_agents(admin, filters={'agent_type': [constants.AGENT_TYPE_L3]}):
            return
        state = payload.latest_state or {}
        directory.get_plugin(plugins.L3).update_floatingip_status(
            admin, state.get('id') or payload.resource_id,
            constants.FLOATINGIP_STATUS_ACTIVE if state.get('port_id') else constants.FLOATINGIP_STATUS_DOWN)
