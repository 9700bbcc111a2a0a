"""IAM's query API over the roles of a sandbox's file: it only reads, pages as IAM does, and counts."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

NAMESPACES = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/", "iam": "https://iam.amazonaws.com/doc/2010-05-08/"}


class Server(ThreadingHTTPServer):
    """Answers every call after a fixed delay."""

    daemon_threads = True

    def __init__(self, state, delay):
        super().__init__(("127.0.0.1", 0), Handler)
        self.delay = delay
        self.account = json.loads(state.read_text())
        self.roles = sorted(self.account["roles"], key=lambda role: role["name"])
        self.reset()
        # A page is made once: what the server takes must not count.
        self.replies = {True: self.members(True), False: self.members(False)}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def reset(self):
        self.calls, self.waits, self.lock = [], [], threading.Lock()

    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def round_trips(self):
        """For how many seconds at least one call was under way."""
        total, until = 0.0, 0.0
        for start, end in sorted(self.waits):
            total += max(0.0, end - max(start, until))
            until = max(until, end)
        return total

    def members(self, is_full):
        return [f"<member>{self.role(role, is_full)}</member>" for role in self.roles]

    def role(self, role, is_full):
        trust = quote(json.dumps(role["trustPolicy"], separators=(",", ":")), safe="")
        fields = {
            "Path": role["path"],
            "RoleName": role["name"],
            "RoleId": role["id"],
            "Arn": f"arn:aws:iam::{self.account['account']}:role{role['path']}{role['name']}",
            "CreateDate": role["createDate"],
            "AssumeRolePolicyDocument": trust,
            "MaxSessionDuration": role["maxSessionDuration"],
        }
        text = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items())
        if is_full:
            pair = "<member><Key>{}</Key><Value>{}</Value></member>"
            tags = (pair.format(escape(tag["key"]), escape(tag["value"])) for tag in role["tags"])
            text += f"<Tags>{''.join(tags)}</Tags>"
        return text

    def page(self, parameters, is_full):
        first, most = int(parameters.get("Marker", 0)), int(parameters.get("MaxItems", 100))
        last = first + most
        members = "".join(self.replies[is_full][first:last])
        name = "RoleDetailList" if is_full else "Roles"
        more = f"<IsTruncated>true</IsTruncated><Marker>{last}</Marker>"
        done = "<IsTruncated>false</IsTruncated>"
        return f"<{name}>{members}</{name}>{more if last < len(self.roles) else done}"

    def result(self, action, parameters):
        """What a call gives; `None` if it is about a role that is not there, or is no call of a dry run."""
        if action == "ListRoles":
            return self.page(parameters, False)
        if action == "GetAccountAuthorizationDetails":
            return self.page(parameters, True)
        if action == "GetRole":
            found = next((role for role in self.roles if role["name"] == parameters["RoleName"]), None)
            return found and f"<Role>{self.role(found, True)}</Role>"
        if action == "GetCallerIdentity":
            account = self.account["account"]
            return f"<Arn>arn:aws:iam::{account}:user/bench</Arn><UserId>AIDA</UserId><Account>{account}</Account>"
        if action == "GetOpenIDConnectProvider":
            return "<Url>oidc.example.com</Url><ClientIDList><member>sts.amazonaws.com</member></ClientIDList>"
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        started = time.monotonic()
        parameters = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        action = parameters["Action"]
        status, reply = self.reply(action, parameters)
        time.sleep(max(0.0, started + self.server.delay - time.monotonic()))
        with self.server.lock:
            self.server.calls.append(action)
            self.server.waits.append((started, time.monotonic()))
        head = f"HTTP/1.1 {status} x\r\nContent-Type: text/xml\r\nContent-Length: {len(reply)}\r\n\r\n"
        self.wfile.write(head.encode() + reply)

    def reply(self, action, parameters):
        result = self.server.result(action, parameters)
        if result is None:
            error = f"<Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>{action}</Message></Error>"
            return 404, f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>".encode()
        namespace = NAMESPACES["sts" if action == "GetCallerIdentity" else "iam"]
        result = f"<{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
        return 200, f'<{action}Response xmlns="{namespace}">{result}</{action}Response>'.encode()

    def log_message(self, *_):
        """Says nothing."""
