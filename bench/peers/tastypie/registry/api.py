"""The only resource: JSON, Basic auth, and each user sees only their own objects."""

import json

from tastypie.authentication import BasicAuthentication
from tastypie.authorization import Authorization
from tastypie.resources import ModelResource

from registry.models import ProcessDefinition


class OwnObjects(Authorization):
    """Limits lists to the rows of the user who asks."""

    def read_list(self, object_list, bundle):
        return object_list.filter(user=bundle.request.user)


class ProcessDefinitionResource(ModelResource):
    """`/api/process_definition/`."""

    class Meta:
        queryset = ProcessDefinition.objects.all()
        resource_name = "process_definition"
        list_allowed_methods = ["get"]
        detail_allowed_methods = ["get"]
        authentication = BasicAuthentication()
        authorization = OwnObjects()

    def dehydrate_definition(self, bundle):
        """The definition is stored as text and shown as a JSON value."""
        return json.loads(bundle.obj.definition)
