"""Settings of Lex Custis, all from the environment.

Every variable is described in ``.env.example``. Nothing has a default that would be unsafe in
production: outside the demo a missing secret stops the start with a message that names it.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from lexcustis.content_security import policy
from lexcustis.object_storage import object_storage

BASE_DIR = Path(__file__).resolve().parent.parent

# FileAwareEnv reads NAME_FILE where NAME is not set: the usual way to mount a secret.
env = environ.FileAwareEnv()  # type: ignore[no-untyped-call]
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")

VERSION = "0.1.0"

# -- Mode ---------------------------------------------------------------------------------------

DEMO = env.bool("LEXCUSTIS_DEMO", default=False)
DEBUG = env.bool("DEBUG", default=False)
HOME = Path(env.str("LEXCUSTIS_HOME", default=str(BASE_DIR / "var")))


def _required(name: str, demo_value: str) -> str:
    value = env.str(name, default="")
    if value:
        return value
    if DEMO:
        return demo_value
    raise ImproperlyConfigured(
        f"{name} is not set. Put it into the environment or into .env (see .env.example); "
        "'make run' starts the demo, which needs none."
    )


SECRET_KEY = _required("SECRET_KEY", "demo-only-" + "0" * 60)
# Instance keys of the vault, newest first: comma-separated "id:base64 of 32 bytes".
VAULT_KEYS = _required(
    "VAULT_KEYS", "demo:" + "ZGVtby1vbmx5LWluc3RhbmNlLWtleS1ub3Qtc2VjcmU="
).split(",")

ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEMO else []
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Where people reach this instance: the first part of every link in a mail.
PUBLIC_URL = env.str(
    "PUBLIC_URL", default=CSRF_TRUSTED_ORIGINS[0] if CSRF_TRUSTED_ORIGINS else ""
).rstrip("/")

# -- Applications: each floor stands on those above it in this list ------------------------------

INSTALLED_APPS = [
    "lexcustis.apps.LexCustisConfig",
    "orgs.apps.OrgsConfig",
    "audit.apps.AuditConfig",
    "llm.apps.LlmConfig",
    "oversight.apps.OversightConfig",
    "dossier.apps.DossierConfig",
    "lexcustis.apps.LexCustisAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "axes",
    "csp",
    "ninja",
]

# Each of these works asynchronously: one that did not would cost every stream a thread.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "lexcustis.static_files.StaticFilesMiddleware",
    "lexcustis.request_log.RequestLogMiddleware",
    "lexcustis.api_errors.ApiErrorMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "audit.acknowledgement.AcknowledgementMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "orgs.middleware.TenantMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "lexcustis.urls"
ASGI_APPLICATION = "lexcustis.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "lexcustis.context.product",
            ],
        },
    }
]

# -- Data ---------------------------------------------------------------------------------------

# Each login may only what its processes need. The demo has one, which owns everything.
DATABASE_LOGINS = {
    role: env.db_url_config(address)  # type: ignore[no-untyped-call]
    for role, address in (
        ("lexcustis_app", _required("DATABASE_URL", "postgres://lexcustis@localhost/lexcustis")),
        ("lexcustis_sealer", env.str("SEALER_DATABASE_URL", default="")),
        ("owner", env.str("DATABASE_OWNER_URL", default="")),
    )
    if address
}
# Which of them this process works as; manage.py chooses by command (lexcustis/logins.py).
DATABASE_LOGIN = env.str("DATABASE_LOGIN", default="lexcustis_app")
DATABASES = {
    "default": deepcopy(DATABASE_LOGINS.get(DATABASE_LOGIN, DATABASE_LOGINS["lexcustis_app"]))
}
# Persistent connections do not belong under ASGI; the pool of psycopg takes their place.
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
    "min_size": env.int("DATABASE_POOL_MIN", default=1),
    "max_size": env.int("DATABASE_POOL_MAX", default=10),
    "timeout": 10,
}
# The few statements that a first token waits for are planned once per connection. A pooler that
# shares connections between transactions and knows nothing of prepared statements needs this off.
_remembers_plans = env.bool("DATABASE_REMEMBERS_PLANS", default=True)
DATABASES["default"]["OPTIONS"]["prepare_threshold"] = 5 if _remembers_plans else None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = _required("REDIS_URL", "redis://localhost:6379/0")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "lexcustis",
    }
}

# -- Jobs ---------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 3600
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 600_000  # KiB; WeasyPrint keeps what it once needed
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_IMPORTS = ["audit.anchor_tasks"]
# Redis is a doorbell: each tick only looks into PostgreSQL for what is due.
CELERY_BEAT_SCHEDULE = {
    "close-interrupted-inferences": {"task": "llm.tasks.close_interrupted", "schedule": 15.0},
    "compact-budgets": {"task": "llm.tasks.compact_budgets", "schedule": 60.0},
    "report-usage": {"task": "llm.tasks.report_usage", "schedule": 60.0},
    "look-for-due-dossiers": {"task": "dossier.tasks.tick", "schedule": 60.0},
    "clear-dossier-leftovers": {"task": "dossier.tasks.clear_leftovers", "schedule": 3600.0},
    "remind-of-requests": {"task": "dossier.tasks.remind_of_requests", "schedule": 3600.0},
    "remind-of-tasks": {"task": "oversight.tasks.remind_of_tasks", "schedule": 300.0},
    "keep-ledger": {"task": "audit.tasks.keep_ledger", "schedule": 300.0},
    "anchor-heads": {"task": "audit.anchor_tasks.anchor_heads", "schedule": 60.0},
    "mail-heads": {"task": "audit.anchor_tasks.mail_heads", "schedule": 3600.0},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(HOME / "celerybeat-schedule")

# -- Files --------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = HOME / "files"
S3 = {
    name: env.str(name, default="")
    for name in (
        "S3_BUCKET",
        "S3_PREFIX",
        "S3_ENDPOINT_URL",
        "S3_REGION",
        "S3_ACCESS_KEY_ID",
        "S3_SECRET_ACCESS_KEY",
    )
}
STORAGES = {
    # Dossiers and documents. Never served by address: every download goes through a view that
    # checks the tenant.
    "default": object_storage(S3)
    if S3["S3_BUCKET"]
    else {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Compressing takes a quarter of a minute, once a release: not at the demo's first start.
    "staticfiles": {
        "BACKEND": "lexcustis.static_files.HashedFiles"
        if DEMO
        else "lexcustis.static_files.CompressedHashedFiles"
    },
}
FILE_UPLOAD_PERMISSIONS = 0o600
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

# -- People -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "orgs.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # accounts are made by an administrator, who knows the address
ACCOUNT_ADAPTER = "orgs.accounts.AccountAdapter"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
# Lock-out belongs to axes, where an officer can see and lift it; one mechanism, not two.
ACCOUNT_RATE_LIMITS = {"login_failed": None}
_OIDC_APPS = env.json("OIDC_APPS", default=[])
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"APPS": _OIDC_APPS},
}
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_AUTO_SIGNUP = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # the administrator knows the address, see above
MFA_TOTP_ISSUER = "Lex Custis"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "login"
AXES_USERNAME_CALLABLE = "lexcustis.lockout.account_of_attempt"
AXES_LOCKOUT_TEMPLATE = "account/locked_out.html"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False

# -- Web security -------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = policy(_OIDC_APPS)
_HTTPS = not DEMO and not DEBUG
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=_HTTPS)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked for inside the network
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_HSTS_PRELOAD = _HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_NAME = "__Host-session" if _HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if _HTTPS else "csrf"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"

# -- Language and time --------------------------------------------------------------------------

# Pages are in English for everybody: a browser's language would translate what Django says and
# leave what we say. Dossiers, which are in four languages, choose theirs themselves.
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["lexcustis.formats"]
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français"), ("it", "Italiano")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# -- Mail ---------------------------------------------------------------------------------------

vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="lexcustis@localhost")

# -- The ledger ---------------------------------------------------------------------------------

# The name under which logs of this instance are known: the first part of every origin.
LEDGER_HOST = env.str("LEDGER_HOST", default="demo.lexcustis.invalid" if DEMO else "")
if not LEDGER_HOST:
    raise ImproperlyConfigured(
        "LEDGER_HOST is not set. It is the public host name under which outsiders know this "
        "instance's audit logs, for instance 'lexcustis.example.org', and must never change."
    )
# Where the signer keeps its key and the last head it signed. Never restore it from a backup.
SIGNER_HOME = Path(env.str("SIGNER_HOME", default=str(HOME / "signer")))
# Where "manage.py signer" serves, when the signer is a process (or user, or host) of its own.
SIGNER_SOCKET = env.str("SIGNER_SOCKET", default="")
# Whether checkpoints bear a second signature, ML-DSA-44, beside Ed25519.
SIGNER_ML_DSA = env.bool("SIGNER_ML_DSA", default=False)
SEAL_PERIOD_SECONDS = env.float("SEAL_PERIOD_SECONDS", default=0.2)
# What a person waits for is answered when it is sealed, but after so long in any case; 0: at once.
SEALED_WITHIN_SECONDS = env.float("SEALED_WITHIN_SECONDS", default=5.0)
# Who vouches for heads from outside. Time-stamping authorities (RFC 3161), as a JSON list:
# [{"url": "https://…", "ca_file": "/etc/…/root.pem", "qualified": false}]
ANCHOR_AUTHORITIES = env.json("ANCHOR_AUTHORITIES", default=[])
# Witnesses (C2SP tlog-witness), as a JSON list: [{"url": "https://…", "vkey": "name+id+key"}]
ANCHOR_WITNESSES = env.json("ANCHOR_WITNESSES", default=[])
# Each of them is asked about a log so often at most, and only where its head has moved.
ANCHOR_PERIOD_SECONDS = env.int("ANCHOR_PERIOD_SECONDS", default=3600)
# Whether each month's first head is mailed to the organisations' officers and auditors.
HEAD_MAIL = env.bool("HEAD_MAIL", default=not DEMO)

# -- The seal of dossiers ------------------------------------------------------------------------

# The key: a PKCS#12 file, or a token that speaks PKCS#11 (needs python-pkcs11), as a JSON object:
# {"module": "/usr/lib/…/libsofthsm2.so", "token": "label", "certificate": "label"}
SEAL_PKCS12_FILE = env.str("SEAL_PKCS12_FILE", default="")
SEAL_PKCS12_PASSPHRASE = env.str("SEAL_PKCS12_PASSPHRASE", default="")
SEAL_PKCS11 = env.json("SEAL_PKCS11", default={})
SEAL_PKCS11_PIN = env.str("SEAL_PKCS11_PIN", default="")
# Or a signing service that speaks the Cloud Signature Consortium's API, version 1:
# {"url": "https://…", "credential": "id"}
SEAL_REMOTE = env.json("SEAL_REMOTE", default={})
SEAL_REMOTE_TOKEN = env.str("SEAL_REMOTE_TOKEN", default="")
SEAL_REMOTE_PIN = env.str("SEAL_REMOTE_PIN", default="")
# Roots and intermediates of the seal's certificate, as a PEM file.
SEAL_CA_FILE = env.str("SEAL_CA_FILE", default="")
# Who stamps the time (PAdES B-T): {"url": "https://…", "ca_file": "/etc/…", "qualified": false}
SEAL_TIMESTAMP_AUTHORITY = env.json("SEAL_TIMESTAMP_AUTHORITY", default={})
# PAdES B-LTA: with revocation information and a second time stamp over all of it.
SEAL_LONG_TERM = env.bool("SEAL_LONG_TERM", default=False)
# What the operator declares the seal to be: "advanced", "qualified" or nothing.
SEAL_DECLARED_LEVEL = env.str("SEAL_DECLARED_LEVEL", default="")

# -- Providers ----------------------------------------------------------------------------------

# What an organisation without settings of its own uses: "vendor:model".
DEFAULT_LLM_PROVIDER = env.str(
    "DEFAULT_LLM_PROVIDER", default="simulated:sim-large" if DEMO else ""
)
DEFAULT_LLM_PROVIDER_KEY = env.str("DEFAULT_LLM_PROVIDER_KEY", default="")
DEFAULT_LLM_PROVIDER_URL = env.str("DEFAULT_LLM_PROVIDER_URL", default="")
DEFAULT_LLM_PROVIDER_REGION = env.str("DEFAULT_LLM_PROVIDER_REGION", default="unknown")
# Certificate authorities to trust for providers beside the public ones: a PEM file, or nothing.
PROVIDER_CA_FILE = env.str("PROVIDER_CA_FILE", default="")
# Networks that a provider's base URL may point to although they are not public (a local model).
PROVIDER_ALLOWED_NETWORKS = env.list(
    "PROVIDER_ALLOWED_NETWORKS", default=["127.0.0.0/8", "::1/128"] if DEMO else []
)
# The server of `make run MODEL=local`; the supervisor sets it.
LOCAL_MODEL_URL = env.str("LOCAL_MODEL_URL", default="")
# A started inference whose process has not renewed its lease for so long is closed as interrupted.
INFERENCE_LEASE_SECONDS = env.int("INFERENCE_LEASE_SECONDS", default=30)

# -- Logs and figures of the program (not the audit log) -----------------------------------------

# Who reads /metrics sends it as "Authorization: Bearer …"; without one only this machine may.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING_CONFIG = "lexcustis.logs.configure"
# Not empty, else Django would not call it, and tracebacks would print the values of variables.
LOGGING = {"version": 1}
