"""Settings of the peer: what `django-admin startproject` writes, with JSON and Basic auth.

PEER_FOLDER holds the database. PEER_HASHER, if set, is the password hasher: Django's default (PBKDF2) is
computed again for every request with Basic auth, so the bench measures the default and the cheapest.
"""

import os

import old_names  # noqa: F401  (before Tastypie is imported)

FOLDER = os.environ["PEER_FOLDER"]
SECRET_KEY = "only a benchmark"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "registry.urls"
WSGI_APPLICATION = "wsgi.application"
# Tastypie is not in the list: its only table (API keys) is not used.
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "registry",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.path.join(FOLDER, "peer.sqlite3"),
    }
}
if os.environ.get("PEER_HASHER"):
    PASSWORD_HASHERS = [os.environ["PEER_HASHER"]]
TASTYPIE_DEFAULT_FORMATS = ["json"]
