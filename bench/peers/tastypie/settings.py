"""Settings of the peer: as small as Django lets them be, so that the framework is what is measured.

PEER_FOLDER holds the database; PEER_HASHER, if set, is put first among the password hashers. Django's
default hash (PBKDF2) is computed anew on every request with Basic auth, which is why the bench
measures both: the default, and the cheapest hash that Django has.
"""

import os

import old_names  # noqa: F401  (before Tastypie is imported)

FOLDER = os.environ["PEER_FOLDER"]
SECRET_KEY = "only a benchmark"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "registry.urls"
WSGI_APPLICATION = "wsgi.application"
# Tastypie is no app here: its one table (API keys) is not used.
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "registry"]
MIDDLEWARE = []
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.path.join(FOLDER, "peer.sqlite3"),
        # A connection per request would measure opening files, not listing rows.
        "CONN_MAX_AGE": None,
    }
}
if os.environ.get("PEER_HASHER"):
    PASSWORD_HASHERS = [os.environ["PEER_HASHER"]]
TASTYPIE_DEFAULT_FORMATS = ["json"]
