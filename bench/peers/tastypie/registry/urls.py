"""The resource is mounted directly under `/api/`."""

from django.urls import include, re_path

from registry.api import ProcessDefinitionResource

urlpatterns = [re_path(r"^api/", include(ProcessDefinitionResource().urls))]
