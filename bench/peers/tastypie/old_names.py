"""Names that Django dropped and Debian's Tastypie (0.13, made for Django 1) still imports.

Debian ships it beside Django 3.2. This only restores missing names, so that it leaves newer pairs of the two
as they are, and does not change the cost of a request.
"""

import importlib
import sys

from django.db.models import Field
from django.db.models.sql import Query, constants
from django.urls import base, exceptions, resolvers
from django.utils import encoding


def put_back(name, make):
    """Registers module `name` unless Django still has it."""
    try:
        importlib.import_module(name)
    except ImportError:
        sys.modules[name] = make()


def with_everything_from(name, *sources):
    """A module with the public names of other modules."""
    module = type(sys)(name)
    for source in sources:
        module.__dict__.update({key: value for key, value in vars(source).items() if not key.startswith("_")})
    return module


def six():
    """`django.utils.six` was a copy of the package `six`."""
    import django.utils
    import six as package

    sys.modules["django.utils.six.moves"] = package.moves
    sys.modules["django.utils.six.moves.urllib"] = package.moves.urllib
    sys.modules["django.utils.six.moves.urllib.parse"] = package.moves.urllib.parse
    django.utils.six = package
    return package


put_back("django.core.urlresolvers", lambda: with_everything_from("urlresolvers", exceptions, resolvers, base))
put_back("django.utils.six", six)
if not hasattr(encoding, "python_2_unicode_compatible"):
    encoding.python_2_unicode_compatible = lambda cls: cls
if not hasattr(constants, "QUERY_TERMS"):
    constants.QUERY_TERMS = set(Field.get_lookups())
if not hasattr(Query, "query_terms"):
    Query.query_terms = constants.QUERY_TERMS
if not hasattr(Field, "rel"):
    Field.rel = property(lambda field: field.remote_field)
