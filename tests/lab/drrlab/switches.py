"""The one table of everything about the simulated appliance that can be varied.

Marks, as in the facts that the simulator is built from: [S] seen verbatim in a public source, [D] documentation,
[W] a published script depends on it, [I] inferred, [U] unknown.  Every [I]/[U] text is here, so that no test can
depend on one value; the rest are faults.

Kinds:
  bool     yes / no
  int, float, text, choice
  time     seconds of the appliance, multiplied by the lab's --time-scale; a suffix `real` (`10real`) takes them as they are
  seconds  real seconds, never scaled
Texts know the escapes \\n (sent as CR LF), \\t and \\e; `{user}`, `{text}`, `{name}`, `{domain}` where the help says so.
"""

from dataclasses import dataclass

SAMPLE_BANNER = (r"#############################################################\n"
                 r"# NOTICE: authorised use only. Before you login: read this. #\n"
                 r"# Password: never share it. Support: dial 100 # then 2      #\n"
                 r"#############################################################\n"
                 r"login: is by personal account\nPassword: must be 12 characters\n")


@dataclass(frozen=True)
class Switch:
    name: str
    kind: str
    default: object
    mark: str
    help: str
    choices: tuple = ()


def _bool(name, default, mark, text):
    return Switch(name, "bool", default, mark, text)


def _int(name, default, mark, text):
    return Switch(name, "int", default, mark, text)


def _text(name, default, mark, text):
    return Switch(name, "text", default, mark, text)


def _time(name, default, mark, text):
    return Switch(name, "time", default, mark, text)


def _seconds(name, default, mark, text):
    return Switch(name, "seconds", float(default), mark, text)


def _choice(name, choices, mark, text):
    return Switch(name, "choice", choices.split("|")[0], mark, text, tuple(choices.split("|")))


# Each member has all of these; `NAME` alone sets it on every member, `gw1.NAME` on one.
MEMBER_SWITCHES = [
    # --- SSH below the CLI
    _choice("ssh_au_method", "none|password|keyboard-interactive|password+keyboard-interactive|publickey|password+publickey", "[S]/[U]",
            "none: any client is let in and the CLI asks in the channel; else SSH itself authenticates"),
    _choice("ssh_after_auth", "nothing|ask", "[U]", "after SSH authentication the channel asks nothing / asks login and Password again"),
    _text("authorized_keys", "", "[D]", "file with the public keys that publickey accepts"),
    _choice("hostkeys", "both|rsa|rsa-sha1|ecdsa", "[S]", "host keys offered; rsa-sha1 is ssh-rsa signatures only"),
    _text("ssh_kex", "", "[U]", "key exchange algorithms, comma separated; empty: the library's (all but SHA-1)"),
    _text("ssh_ciphers", "", "[U]", "ciphers, comma separated"),
    _text("ssh_macs", "", "[U]", "MACs, comma separated"),
    _text("ssh_version", "DataPower_SSH", "[I]", "software version string after SSH-2.0-"),
    _int("ssh_window", 2097152, "[U]", "receive window in bytes"),
    _int("ssh_max_packet", 32768, "[U]", "largest packet in bytes"),
    _int("ssh_rekey_bytes", 1 << 30, "[U]", "new keys are exchanged after so many bytes sent"),
    _bool("ssh_pty", True, "[W]", "a pty is granted when it is asked for"),
    _choice("exec_channel", "refuse|shell", "[I]", "an exec request is refused / gives a shell that ignores the command"),
    _int("max_connections", 0, "[D]", "SSH maximum-connections; 0: no limit"),
    _int("reset_on_connect", 0, "fault", "so many connections are reset before the SSH version string (-1: all)"),
    _bool("ssh_listen", True, "[D]", "no: the SSH port refuses"),
    _bool("telnet_listen", True, "[S]", "no: the telnet port refuses"),
    _bool("telnet_iac", True, "[S]", "telnet option negotiation is sent"),
    # --- log-in dialogue
    _text("banner_before", r"{name}\nUnauthorized access prohibited.\n", "[S]", "before `login: `; the word `sample` gives a nasty one; {name}"),
    _text("banner_after", "", "[S]", "after the welcome text; `sample` gives a nasty one"),
    _text("login_prompt", "login: ", "[S]", "prompt for the user"),
    _text("password_prompt", "Password: ", "[S]", "prompt for the password"),
    _bool("delivery_type", True, "[S]", "10.x: `Delivery type: LTS` in the welcome text"),
    _bool("domain_prompt", False, "[S]/[I]", "`Domain (? for all): ` follows the password"),
    _text("domain_prompt_text", "Domain (? for all): ", "[S]", "that prompt"),
    _text("wrong_password_text", r"\nLogin incorrect\n\n", "[U]", "before `login: ` comes again"),
    _int("login_tries", 0, "[U]", "the session closes after so many wrong passwords; 0: never"),
    _int("max_login_failure", 0, "[D]", "lock-out after so many wrong passwords; 0: off"),
    _seconds("lockout_duration", 7200, "[D]", "how long the lock-out lasts"),
    _text("lockout_text", r"\nAccount locked\n\n", "[U]", "text while locked; `login: ` comes again"),
    _bool("restrict_admin", False, "[D]", "admin logs in on the serial console (lab pty) only"),
    _text("restrict_admin_text", r"\nLogin refused\n\n", "[U]", "text then; `login: ` comes again"),
    _bool("force_password_change", False, "[S]", "after the password: `Please enter new password: `"),
    _text("force_password_text", r"\nYou must change your password.\nPlease enter new password: ", "[S]/[I]", "that text"),
    _choice("password_echo", "stars|none", "[S]", "what a pty shows for the password"),
    # --- the CLI's looks
    _text("system_name", "idg", "[S]", "NAME of the prompt"),
    _text("prompt_prefix", "", "[I]", "put before the prompt by a custom user interface file, e.g. `dp # prod 01:`"),
    _text("prompt_format", "{prefix}{name}{domain}{mode}# ", "[S]", "whole prompt"),
    _choice("config_text", "Global mode|Global configuration mode", "[S]", "what `config` prints (new / up to 7.7)"),
    _text("modify_text", r"Modify {text} configuration\n\n", "[I]", "what entering an object prints; {text} is its long name"),
    _text("new_object_text", r"New {text} configuration\n\n", "[I]", "the same for an object that does not exist"),
    _text("diag_text", "", "[U]", "what `diag` prints"),
    _bool("diag_known", True, "[W]", "no: `diag` is an unknown command for admin too"),
    _choice("echo_pty", "yes|no", "[S]", "echo on a pty, telnet and console"),
    _choice("echo_no_pty", "no|yes", "[U]", "echo over SSH without a pty"),
    _bool("newline_without_echo", False, "[U]", "without echo a CR LF is still printed for each line read"),
    _choice("newline", "crlf|lf", "[S]", "line ends of the output"),
    _choice("unknown_echoes", "line|word", "[U]", "TEXT of `Unknown command or macro (TEXT)`: whole command or first word"),
    _bool("blank_around_show", True, "[U]", "a blank line before and after a show command's output"),
    _text("unknown_domain_text", "Domain '{text}' not found", "[U]", "after `% `, for `switch domain` to a domain that is not there"),
    _text("unknown_object_text", "Cannot find configuration object", "[U]", "after `% `, for show NAME of an object that is not there"),
    _text("goodbye_text", r"Goodbye.\n", "[S]", "`exit` at top level"),
    _choice("switch_forms", "all|domain|bare", "[W]", "`switch domain X`, `switch X` or both are known"),
    _bool("abbreviations", True, "[S]", "unambiguous abbreviations are accepted"),
    _seconds("cli_timeout", 0, "[D]", "an idle session is closed after so many seconds; 0: off"),
    _text("cli_timeout_text", r"\nSession timed out\n", "[U]", "what it prints before"),
    _seconds("command_delay", 0, "[U]", "each command takes so long before it acts"),
    # --- log lines inside the CLI's output
    _bool("telnet_mix_log", True, "[S]", "log lines appear in the output of telnet and console sessions"),
    _bool("ssh_mix_log", False, "[U]", "the same over SSH"),
    Switch("telnet_noise_rate", "float", 0.0, "[S]", "extra log lines a second inside telnet and console sessions"),
    Switch("ssh_noise_rate", "float", 0.0, "[U]", "the same over SSH"),
    _bool("prompt_redrawn", False, "[U]", "after a log line that hit a prompt, the prompt is printed again"),
    _bool("pending_line", False, "[S]", "`exit` from a changed object prints `%<TAB>Pending`, which is no error"),
    _bool("top_applies", False, "[U]", "`top` in an object applies its changes"),
    _bool("noise_after_prompt", False, "[S]", "a log line right after each prompt"),
    # --- peering table and dumps
    _choice("status_columns", "6|9", "[S]/[D]", "9: with service port, monitor port and priority"),
    _text("status_headings", "", "[U]", "headings in their order, comma separated (default: the documented ones, then "
          "Service port,Monitor port,Priority)"),
    _text("row_alias", "", "[S]", "this member's address in the table (host alias, IPv6, ...)"),
    _bool("row_missing", False, "[S]", "this member is missing from the others' tables"),
    _text("row_link", "", "[S]", "this member's Link status in the others' tables (ok, down, any text)"),
    _text("row_pending", "", "[D]", "this member's Pending updates"),
    _text("row_priority", "", "[S]", "this member's priority (-1: stale)"),
    _text("row_primary", "", "[D]", "this member's Primary cell (e.g. unknown)"),
    _text("row_empty", "", "[S]", "headings, comma separated, whose cells are empty for this member"),
    _text("stale_rows", "", "[S]", "addresses, comma separated, of peers long gone: extra rows in this member's table, down and with priority -1"),
    _text("local_address_text", "", "[S]", "local-address in the dump (host alias); empty: the address"),
    _text("object_modified", "", "[S]", "objects, comma separated, whose state is followed by ` (modified)`"),
    _choice("singleton_header", "plain|default|name", "[U]", "header of a single object: `K [up]`, `K: default [up]`, `K: K [up]`"),
    _bool("manager_present", True, "[S]", "no: 2018.4, there is no gateway-peering-manager"),
    _bool("v5_compat", False, "[S]", "v5 compatibility: the peering object stands in show apic-gw-service"),
    _text("v5_property", "v5-compatibility-mode", "[I]", "name of that property"),
    _bool("cluster_mode", False, "[D]", "cluster peering group: three primaries"),
    _text("gw_object", "gwd", "[S]", "peering object that serves apic-gw-service, as this member's dump says"),
    _choice("show_domains", "table|dump|unknown", "[U]", "form of show domains / show domain"),
    # --- peering behaviour
    _time("switch_delay", 10, "[U]", "from the command to the new primary"),
    _time("switch_overlap", 8, "[U]", "two primaries for so long after a switch (Sentinel: 4 of its publish periods)"),
    _choice("switch_primary", "ok|ignored|error", "[U]", "what gateway-peering-switch-primary does"),
    _text("switch_text", "", "[U]", "its text on success"),
    _text("switch_error_text", "Cannot switch primary", "[U]", "its error text, after `% `"),
    _text("switch_refused_text", "{text}", "[U]", "after `% `, where the engine refuses at once (Redis: INPROG ...); empty: silence"),
    _text("already_primary_text", "", "[S]", "error text when this member is primary already; empty: silence"),
    _choice("peering_link", "ok|down", "[S]", "down: this member does not reach its peers"),
    _bool("claims_primary", False, "[S]", "this member calls itself primary although it is not (two primaries)"),
    _choice("persistence", "memory|local|raid", "[D]", "persistence of the peering objects"),
    _text("primary_moves_on", "", "fault", "SUBSTRING[:before|after]: the primary moves by itself when such a command runs here; fires once"),
    _bool("peering_admin", True, "[S]", "no: the gwd object is down here"),
    # --- flush
    _bool("flush_confirm", True, "[W]", "gateway-peering-flush asks"),
    _text("flush_confirm_text", r"Flushing the gateway-peering instance '{name}' removes all of its data.\nDo you want to continue? ", "[U]",
          "wording before `Yes/No [y/n]: `; {name}"),
    _text("flush_text", "", "[U]", "text on success"),
    _choice("flush", "ok|refused|ignored", "[U]", "refused: error text; ignored: silence, nothing happens"),
    _text("flush_refused_text", "Flush refused", "[U]", "after `% `"),
    _text("flush_declined_text", "", "[U]", "after the answer n"),
    _text("flush_replica_text", "READONLY You can't write against a read only replica.", "[S]/[U]",
          "after `% `, on a member that is not primary; empty: silence, nothing happens"),
    _text("switch_confirm_text", "", "[U]", "gateway-peering-switch-primary asks with this text; empty: it does not"),
    _bool("peering_diag", True, "[W]", "gateway-peering-diag NAME info / sentinel info exist"),
    # --- service
    _time("start_delay", 20, "[U]", "from admin-state enabled to the service's first word"),
    _time("disable_delay", 3, "[U]", "from admin-state disabled to op-state down"),
    _choice("waiting_op_state", "up|down", "[U]", "op-state while waiting for registration"),
    _bool("service_mgmt_lines", False, "[S]", "the target also has event mgmt: 0x00350014 / 0x00350015"),
    _choice("waiting_line", "normal|suppressed|duplicated", "[S]", "the line 0x88e000d7"),
    _time("waiting_late", 0, "[U]", "0x88e000d7 comes so much later"),
    _choice("disable", "ok|ignored|stuck|error", "fault", "admin-state disabled: ignored at exit / never goes down / error at exit"),
    _choice("enable", "ok|ignored|stuck|error", "fault", "admin-state enabled: ignored at exit / never comes up / error at exit"),
    _choice("collections_source", "service|fixed", "[I]", "fixed: the count of API collections never changes"),
    _bool("restart_defect", False, "[S]", "before 10.5.4: a service restarted during a DRR waits for ever"),
    # --- log
    _choice("log_target", "present|missing", "[S]", "missing: no log file"),
    _choice("log_format", "zulu|syslog|numeric", "[S]/[I]", "timestamps"),
    _choice("log_level", "notice|info|debug|warn|error", "[S]", "lines below this level are not written"),
    _choice("waiting_level", "notice|info|debug|error|warn", "[S]", "level of 0x88e000d7"),
    _int("log_size_kb", 50000, "[S]", "rotation size"),
    _int("log_rotate", 3, "[S]", "files kept"),
    _text("log_class", "apic-gw-service(default)", "[S]", "CLASS(NAME); empty, or a name with blanks"),
    _bool("log_tid", True, "[S]", "tid(N) stands in the line"),
    _text("log_extra", "", "[S]", "more brackets after tid, e.g. `[request][10.0.0.1] gtid(5d)`"),
    _text("log_domain", "", "[S]", "[DOMAIN] bracket (a target in default recording another domain)"),
    _choice("lookalike", "none|code|text|domain|all", "fault", "look-alikes of 0x88e000d7 at each service start: other code, code in a text, other domain"),
    _int("long_line_kb", 0, "fault", "a line of so many KB before each 0x88e000d7"),
    _bool("multiline", False, "[S]", "a stack trace without prefixes before each 0x88e000d7"),
    _bool("binary_noise", False, "fault", "NUL, escape sequences, invalid UTF-8 and CR in a line before each 0x88e000d7"),
    Switch("noise_rate", "float", 0.0, "fault", "noise lines a second in the log"),
    Switch("noise_mb_s", "float", 0.0, "fault", "noise in MB/s in the log"),
    _seconds("partial_pause", 0, "fault", "0x88e000d7 is written in two halves with this pause"),
    _choice("partial_end", "finish|never", "fault", "the second half comes / never comes"),
    _text("rotate_on", "", "fault", "0xCODE: rotate right before this line; `0xCODE:inside`: in the middle of it"),
    _int("timezone_min", 0, "[S]", "minutes east of UTC, in times that are local: dp:timestamp, DateTimeStatus, show time, modified, the head of a syslog line"),
    _seconds("clock_offset", 0, "[I]", "the appliance's clock is ahead by so much"),
    # --- faults of a session
    _text("cut_at", "", "fault", "SUBSTRING:before|after|confirm|confirmed[:n], or #K:before|after (K-th line of a session, user name is 1); once"),
    _choice("cut_kind", "reset|fin", "fault", "how the connection ends"),
    _bool("cut_again", False, "fault", "the cut stays armed"),
    _int("cut_out_bytes", 0, "fault", "cut when a session has sent so many bytes of CLI output; once"),
    _text("hang_at", "", "fault", "as cut_at, but the session stays open and says nothing more; once"),
    _int("drip_bps", 0, "fault", "output at so many bytes a second; 0: at once"),
    _int("split_output", 0, "fault", "output in pieces of so many bytes; -1: random; 0: whole"),
    # --- XML management interface: who is let in
    _bool("xmi", False, "[D]", "it listens (HTTPS, port 5550); off on the appliance, too"),
    _choice("xmi_acl", "allow|refuse|reset|hang|plain|garbage", "[D]/fault", "access list: nothing listens / reset on connect; hang, plain (HTTP without TLS) "
            "and garbage instead of TLS"),
    _choice("xmi_tls", "both|1.2|1.3", "[D]", "TLS versions"),
    _choice("xmi_key", "ecdsa|rsa", "[D]", "kind of its key; a change makes a new key"),
    _choice("xmi_certificate", "self|self-expired|ca|ca-expired|ca-wrong-name", "[D]", "self-issued with a name that does not match / from the lab's CA, with a SAN"),
    _text("xmi_user_lacks", "", "[D]", "what the account xmi_user may not do, comma separated: default-domain, an operation (modify-config, get-file ...) or a class"),
    # --- its answers
    _text("xmi_reason", "Good", "[S]", "reason phrase after `HTTP/1.1 200`"),
    _choice("xmi_framing", "chunked|length|close", "[S]/[I]", "chunked, with Content-Length, or until the connection is closed"),
    _int("xmi_chunk", 0, "[S]", "answers in chunks of so many bytes; 0: one chunk; -1: random; -2: each tag is split"),
    _choice("xmi_chunk_form", "plain|upper|zeros|extension|trailer", "[I]", "how a chunk's size is written; trailer: header lines after the last one"),
    _int("xmi_write", 0, "fault", "bytes written at once, each in a TLS record of its own; 0: all; -1: random"),
    _seconds("xmi_delay", 0, "fault", "pause after each chunk (or write, where xmi_write is set)"),
    _seconds("xmi_think", 0, "[U]", "pause before the answer"),
    _int("xmi_drip_bps", 0, "fault", "answers at so many bytes a second; 0: at once"),
    _bool("xmi_echo_headers", True, "[S]", "the request's headers come back, Authorization included"),
    _bool("xmi_via", True, "[S]", "`Via: 1.1 xml-mgmt`"),
    _bool("xmi_padded", False, "[S]", "OK stands among line ends and blanks"),
    _bool("xmi_no_timestamp", False, "[S]", "dp:timestamp is missing"),
    _choice("xmi_error_log", "dp|bare", "[S]", "a failed action's lines are `dp:log-event` (from about 2023) / `log-event`"),
    _bool("xmi_stray_env", True, "[S]", "rows carry a stray xmlns:env"),
    _choice("xmi_empty_status", "element|none", "[S]", "a status without rows: `<dp:status/>` / no dp:status at all"),
    _choice("xmi_soap_fault_status", "200|500", "[U]", "HTTP status of a SOAP fault"),
    _text("xmi_fault_text", "Internal Error (from client)", "[U]", "faultstring"),
    _choice("xmi_box_elsewhere", "empty|auth|rows", "[U]", "classes of the whole box asked in another domain than default"),
    _int("xmi_wrap", 0, "[I]", "base64 of a file in lines of so many characters; 0: in one"),
    _bool("xmi_markup", False, "fault", "comments, CDATA and character references in answers"),
    _bool("xmi_log_noise", False, "[S]", "each request makes lines in the log (category mgmt)"),
    _choice("xmi_filestore", "ok|refuse", "[U]", "refuse: get-filestore is an `Authentication failure`"),
    _text("filestore_time", "%Y-%m-%d %H:%M:%S", "[I]", "form of `modified`"),
    # --- its faults
    _choice("xmi_fault", "none|auth|truncate|soap-fault|http500|http500-after|reset-before|reset-after|close-before|close-after|hang|hang-after|short-length|long-length|"
            "endless|bitflip|garbage|not-xml|empty-body", "fault", "-after: when the action has acted; else before it. hang, reset and close send nothing"),
    _text("xmi_fault_at", "", "fault", "SUBSTRING of the requests that xmi_fault and xmi_truncate meet (`xmi do-action ...`); empty: all"),
    _bool("xmi_fault_once", False, "fault", "xmi_fault and xmi_truncate strike once"),
    _int("xmi_truncate", 0, "fault", "the answer ends after so many bytes, HTTP headers included; -1: in its middle; 0: off"),
    _choice("xmi_cut", "close-notify|fin|reset", "fault", "how a cut answer's connection ends; fin: without close_notify"),
    _bool("xmi_no_close_notify", False, "fault", "connections always end without close_notify"),
    # --- what its classes say
    _choice("firmware_age", "new|old", "[S]", "old: sets a consistent set of other switches (2018.4: bare log-event, 6 columns, uptime2 only, no manager, no diag "
            "questions, `Global configuration mode`)"),
    _text("xmi_unknown_classes", "", "[U]", "classes and actions, comma separated, that this firmware's schema does not know"),
    _choice("uptime_forms", "both|2|3", "[S]", "uptime2/bootuptime2, uptime3/bootuptime3 (P3DT18H52M47S), or both"),
    _text("object_status_name", "apic-gw-service", "[S]", "Name of the service's row in ObjectStatus"),
    _text("service_object_name", "default", "[D]", "name of the APIConnectGatewayService object"),
    _int("object_status_rows", 0, "[S]", "ObjectStatus has so many rows (a real one: 1619); 0: only those that matter"),
    _bool("xmi_pending_states", False, "[I]", "a service that starts or stops is PendingUp / PendingDown in ObjectStatus"),
    _bool("unsaved_config", False, "[D]", "the running configuration differs from the saved one, whatever was done here"),
    # --- the peering objects' configuration
    _bool("peer_group", False, "[D]", "peers stand in a GatewayPeeringGroup (mode peer), not in the object"),
    _int("priority", 100, "[D]", "this member's priority in gwd"),
    _choice("password_alias", "absent|empty|set", "[D]", "PasswordAlias of the peering objects; absent or empty: the default password"),
    _text("local_directory", "local:///", "[D]", "LocalDirectory"),
    _int("max_memory", 0, "[D]", "MaxMemory"),
    _text("raid_volume", "raid0", "[D]", "RAID volume, for persistence raid"),
    _choice("peering_ports", "ok|clash", "[D]", "clash: tms has the ports of gwd on this member"),
    _bool("peering_ssl", True, "[D]", "EnableSSL"),
    # --- log targets: the main one, and others
    _text("log_events", "", "[S]", "what the main target subscribes to, `CATEGORY:LEVEL,...`; empty: all at log_level"),
    _choice("log_target_state", "up|down|disabled", "[D]", "the main target takes no lines: down / its admin state is disabled"),
    _text("log_target_status", "", "[I]", "Status in LogTargetStatus (default: active, or suspended where it is down)"),
    _int("log_events_dropped", 0, "[D]", "EventsDropped of the main target"),
    _text("log_error_info", "", "[D]", "ErrorInfo of the main target"),
    _choice("log_event_codes", "filter|add", "[U]", "single codes of a target: only they pass, out of what its rows let through / they pass besides"),
    _bool("logtemp_volatile", True, "[S]", "a reload empties logtemp"),
    _bool("reload_reverts", False, "[I]", "a reload brings the service's saved admin state back (unsaved log targets are always gone)"),
    _choice("restart_ends", "fin|reset|silent", "[U]", "how CLI sessions end when the appliance restarts; silent: nothing more comes, and a reset when it is up again"),
    _choice("after_restart", "store|waits|line", "[U]", "the service of a restarted appliance loads its peering store (and waits where that is empty) / waits whatever the store "
            "holds / says 0x88e000d7 and then loads it"),
    _choice("show_logging", "file|header|plain|refused|unknown", "[D]/[U]", "`show logging NAME [PCRE]`: lines as in the file / under a heading / without brackets; "
            "refused: an error text"),
    _text("show_logging_refused_text", "Cannot display the log", "[U]", "after `% `"),
    _int("show_logging_kb", 0, "[U]", "no more than the last so many KB; 0: the whole log"),
    # --- log targets that push
    _text("syslog_to", "", "[D]", "a target of type syslog to PROTOCOL:ADDRESS:PORT, PROTOCOL udp, tcp or tls"),
    _choice("syslog_header", "rfc3164|rfc5424|bare", "[U]", "header in front of a line"),
    _choice("syslog_body", "auto|line|notime", "[U]", "the line as in a file / without its own time; auto: without, where a header has one"),
    _bool("syslog_bracket", False, "[U]", "[DOMAIN] stands in lines of the target's own domain, too"),
    _text("syslog_host", "", "[U]", "host in the header; empty: the system name"),
    _choice("syslog_framing", "newline|octet", "[U]", "frames of syslog-tcp"),
    _text("syslog_ca", "", "[D]", "CA file that the receiver's certificate is held against; empty: it is not"),
    _seconds("syslog_reconnect", 0.5, "[U]", "pause before a new connection"),
    _choice("syslog_broken", "lost|buffered", "[U]", "lines while the connection is broken"),
    _int("syslog_duplicate", 0, "fault", "every so manieth line is sent twice"),
    _int("syslog_split", 0, "fault", "TCP: pieces of so many bytes; -1: random"),
    _int("syslog_max_bytes", 0, "[U]", "a line is cut to so many bytes"),
    Switch("syslog_other_domains", "float", 0.0, "[S]", "lines of another domain a second, to targets of any domain"),
    _text("syslog_spoof", "", "fault", "ADDRESS (127.x) that sends a waiting line beside each real line of the service"),
    # --- the gateway's own doors
    _bool("gateway_listen", False, "[S]", "https://ADDRESS:3000/health and https://ADDRESS:9443/webapi-init-check answer"),
    _choice("gateway_fault", "none|refuse|hang|500|reset", "fault", "what they do instead"),
    _text("health_text", '{"status":"ok"}', "[S]", "body of /health while the service is up"),
    _choice("health_when_down", "reset|503", "[U]", "port 3000 while the service is disabled: nobody answers / 503"),
    # --- appliance
    _text("firmware", "IDG.10.5.0.11", "[S]", "version"),
    _text("serial", "0000001", "[S]", "serial number"),
    _time("reload_time", 60, "[U]", "a reload takes so long"),
    _time("uptime_start", 300000, "[S]", "uptime when the lab starts (never scaled down)"),
    _bool("reachable_3000", True, "fault", "no: the load balancer never reaches this member"),
]

# These belong to the lab as a whole (management server, peering engine); `lab.NAME` or `NAME`.
LAB_SWITCHES = [
    _text("initial_primary", "", "", "member that is primary of gwd at the start; empty: by the seed"),
    _choice("heartbeat", "yes|never", "[D]", "the management server sends heartbeats"),
    _time("heartbeat_s", 300, "[D]", "every so often"),
    _time("event_time", 4, "[D]", "a small event takes so long"),
    _time("resync_time", 40, "[U]", "a resynchronisation takes so long"),
    _choice("resync", "ok|fail|never|slow", "[S]", "fail: the timeouts 1ef, 1f0, 1f1; never: no event comes; slow: 5 times longer"),
    _time("resync_first_timeout", 600, "[D]", "0x88e001ef"),
    _time("resync_second_timeout", 1200, "[D]", "0x88e001f1"),
    _int("resync_transactions", 2, "[U]", "transactions in a resynchronisation"),
    _text("refused_text", "550 gateway service not registered", "[I]", "what a waiting service answers to a webhook"),
    _int("collections", 4, "[S]", "API collections that a resynchronisation brings"),
    _choice("lb", "round-robin|random|sticky", "[D]", "which member a webhook reaches"),
    _bool("manager", False, "[S]", "API Manager's REST side answers, on port 2000 of the first member's address (read when the lab starts)"),
    _seconds("manager_token_s", 28800, "[S]", "a token is good for so long"),
    _choice("manager_fault", "none|refuse|500|silent|quiet", "fault", "credentials are refused / every answer is 500 / no answer / a changed summary sends no event"),
    _time("down_after", 30, "[U]", "a lost primary is replaced after so long, where there is quorum"),
    _text("xmi_user", "drr-monitor", "[D]", "an account for XMI that is not admin (read when the lab starts)"),
    _text("xmi_password", "", "[D]", "its password; empty: a random one (read when the lab starts)"),
    _text("preset", "", "", "comma separated, NAME or NAME:MEMBER, see `lab presets`: a group with good habits (well) or with one sickness (read when the lab starts)"),
    _choice("redis_pace", "fast|normal|held", "[U]", "--peering redis: Sentinel settles in 3-5 s / with its own periods in about 11 s / never makes a "
            "returning primary a replica"),
    _time("rejoin_overlap", 8, "[S]", "a returning old primary calls itself primary for so long"),
]

# What firmware_age sets besides itself.
FIRMWARE_AGES = {
    "old": {"firmware": "IDG.2018.4.1.17", "xmi_error_log": "bare", "status_columns": "6", "uptime_forms": "2", "manager_present": False, "peering_diag": False,
            "config_text": "Global configuration mode", "delivery_type": False, "xmi_unknown_classes": "GatewayPeeringManager,GatewayPeeringGroup"},
    "new": {"firmware": "IDG.10.5.0.11", "xmi_error_log": "dp", "status_columns": "9", "uptime_forms": "both", "manager_present": True, "peering_diag": True,
            "config_text": "Global mode", "delivery_type": True, "xmi_unknown_classes": ""},
}

MEMBER_TABLE = {s.name: s for s in MEMBER_SWITCHES}
LAB_TABLE = {s.name: s for s in LAB_SWITCHES}


class SwitchError(ValueError):
    pass


def parse(switch, value):
    """Turn what a command line or a test gives into the switch's own type."""
    try:
        if switch.kind == "bool":
            if isinstance(value, bool):
                return value
            return {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False, "1": True, "0": False}[str(value).lower()]
        if switch.kind == "int":
            return int(value)
        if switch.kind == "float":
            return float(value)
        if switch.kind == "seconds":
            return float(str(value).removesuffix("real"))
        if switch.kind == "time":
            float(str(value).removesuffix("real"))
            return str(value) if str(value).endswith("real") else float(value)
    except (ValueError, KeyError):
        raise SwitchError(f"{switch.name}: bad value {value!r} ({switch.kind})") from None
    if isinstance(value, bool):
        value = "yes" if value else "no"
    value = str(value)
    if switch.kind == "choice" and value not in switch.choices:
        raise SwitchError(f"{switch.name}: {value!r} is none of {', '.join(switch.choices)}")
    return value


class Switches:
    """The switches of one member (or of the lab), read as attributes."""

    def __init__(self, table, time_scale):
        self.__dict__["_table"] = table
        self.__dict__["_scale"] = time_scale
        self.__dict__["_values"] = {name: s.default for name, s in table.items()}

    def __getattr__(self, name):
        try:
            value = self._values[name]
        except KeyError:
            raise AttributeError(name) from None
        kind = self._table[name].kind
        if kind == "time":
            if isinstance(value, str):
                return float(value.removesuffix("real"))
            return float(value) * (1.0 if name == "uptime_start" else self._scale)
        return value

    def __setattr__(self, name, value):
        self.set(name, value)

    def set(self, name, value):
        if name not in self._table:
            raise SwitchError(f"no switch {name}")
        self._values[name] = parse(self._table[name], value)
        if name == "firmware_age":
            self._values.update(FIRMWARE_AGES[self._values[name]])

    def reset(self):
        for name, switch in self._table.items():
            self._values[name] = switch.default

    def raw(self, name):
        return self._values[name]

    def changed(self):
        return {n: v for n, v in self._values.items() if v != self._table[n].default}

    def text(self, name, /, **fields):
        """A text switch ready to send: escapes and fields replaced."""
        value = self._values[name]
        if value == "sample":
            value = SAMPLE_BANNER
        value = value.replace(r"\n", "\n").replace(r"\t", "\t").replace(r"\e", "\x1b")
        for field, replacement in fields.items():
            value = value.replace("{" + field + "}", str(replacement))
        return value


def listing():
    """Lines for `lab switches`."""
    lines = []
    for title, table in (("each member (NAME or gw1.NAME)", MEMBER_SWITCHES), ("lab (lab.NAME)", LAB_SWITCHES)):
        lines.append(f"{title}:")
        for s in table:
            default = {True: "yes", False: "no"}.get(s.default, s.default) if s.kind == "bool" else s.default
            kind = "|".join(s.choices) if s.choices else s.kind
            lines.append(f"  {s.name:22} {s.mark:8} {kind}; default {default!r}: {s.help}")
    return lines
