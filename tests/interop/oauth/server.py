"""Authlib's OAuth 2 server and two pages of orders that want its tokens. Arguments: port, file of a client's public key.

Once the first page has been served, every token given out before has expired, as in a reading that takes long.
"""

import sys
import time
from pathlib import Path

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6749.util import scope_to_list
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from flask import Flask, jsonify, request

PORT, PUBLIC_KEY = int(sys.argv[1]), Path(sys.argv[2]).read_text()
tokens, given = {}, []
app = Flask(__name__)


class Client(ClientMixin):
    def __init__(self, name, method, secret=""):
        self.client_id, self.method, self.secret = name, method, secret

    def get_client_id(self):
        return self.client_id

    def get_allowed_scope(self, scope):
        return " ".join(one for one in scope_to_list(scope or "") if one == "orders.read")

    def check_client_secret(self, secret):
        return secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.method

    def check_grant_type(self, grant_type):
        return grant_type == ("refresh_token" if self.client_id == "refresher" else "client_credentials")


class Token(TokenMixin):
    def __init__(self, told):
        self.scope, self.ends_at = told.get("scope", ""), time.time() + told["expires_in"]

    def get_scope(self):
        return self.scope

    def is_expired(self):
        return time.time() >= self.ends_at

    def is_revoked(self):
        return False

    def check_client(self, client):
        return client.client_id == "refresher"


class Signed(JWTBearerClientAssertion):
    def get_audiences(self):
        return [f"http://127.0.0.1:{PORT}/token"]

    def validate_jti(self, claims, jti):
        given.append(jti)
        return given.count(jti) == 1

    def resolve_client_public_key(self, client):
        return PUBLIC_KEY


class ByClient(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", Signed.CLIENT_AUTH_METHOD)


class ByRefreshToken(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_post",)

    def authenticate_refresh_token(self, refresh_token):
        return Token({"scope": "orders.read", "expires_in": 0}) if refresh_token == "g1ven-once" else None

    def authenticate_user(self, refresh_token):
        return "the company"

    def revoke_old_credential(self, refresh_token):
        pass


class Known(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return tokens.get(token_string)


clients = {
    "tieout": Client("tieout", "client_secret_basic", "s3cret"),
    "signer": Client("signer", Signed.CLIENT_AUTH_METHOD),
    "refresher": Client("refresher", "client_secret_post", "s3cret"),
}
server = AuthorizationServer(
    app, clients.get, lambda told, _: tokens.update({told["access_token"]: Token(told)})
)
server.register_grant(ByClient)
server.register_grant(ByRefreshToken)
server.register_client_auth_method(Signed.CLIENT_AUTH_METHOD, Signed())
protected = ResourceProtector()
protected.register_token_validator(Known())


@app.post("/token")
def token():
    return server.create_token_response()


@app.get("/orders")
@protected("orders.read")
def orders():
    if "page" in request.args:
        return jsonify({"items": [{"no": "3"}]})
    for one in tokens.values():
        one.ends_at = 0
    return jsonify({"items": [{"no": "1"}, {"no": "2"}], "next": f"http://127.0.0.1:{PORT}/orders?page=2"})


@app.get("/count")
def count():
    return jsonify(len(tokens))


app.run("127.0.0.1", PORT)
