/* What the keys of other programs are called here. */
#include "synonyms.h"

#include <stdio.h>

/*
 * Words with blanks between them, in lower case, with '_' for '-' and for a blank. A word may stand
 * in several rows; the row of the section where it was written counts first.
 */
static const struct synonym keys[] = {
    {"listen accept address addresses port ip interface inet_interfaces "
     "listen_port bind_address bind_port local_address listen_address",
        SECTION_LISTENER, "bind", NULL},
    {"mode service_protocol protocols", SECTION_LISTENER, "protocol", NULL},
    {"starttls ssl ssl_mode smtpd_tls_security_level smtpd_tls_wrappermode "
     "tls_mode wrappermode stls",
        SECTION_LISTENER, "tls", NULL},
    {"disable_plaintext_auth auth_allow_cleartext smtpd_tls_auth_only "
     "force_tls tls_required",
        SECTION_LISTENER, "require_tls", NULL},
    {"upstream default_backend use_backend proxy_pass pool cluster", SECTION_LISTENER, "backend",
        NULL},
    {"set_real_ip_from accept_proxy proxy_protocol haproxy "
     "haproxy_trusted_networks login_trusted_networks "
     "smtpd_upstream_proxy_protocol trusted_proxies",
        SECTION_LISTENER, "accept_proxy_from", NULL},
    {"smtp_greeting_delay postscreen_greet_wait greet_delay banner_delay", SECTION_LISTENER,
        "greeting_delay", NULL},
    {"smtpd_forbid_bare_newline", SECTION_LISTENER, "smuggling", NULL},
    {"smtpd_forbid_bare_newline_exclusions", SECTION_LISTENER, "smuggling_exempt", NULL},
    {"domains domain allowed_domains virtual_mailbox_domains mydestination", SECTION_LISTENER,
        "relay_domains", NULL},
    {"sni_strict", SECTION_LISTENER, "strict_sni", NULL},
    {"rule rules routes routing dispatch sni_routes", SECTION_LISTENER, "route", NULL},
    {"inspect_delay preread_timeout sniff_timeout sniffing on_timeout", SECTION_LISTENER, "sniff",
        NULL},
    {"ssl_preread preread", SECTION_LISTENER, NULL,
        "with protocol = auto a route chooses by alpn or sni; write e.g. route = sni "
        "mail.example.org -> imaps"},
    {"server_name myhostname host_name server_hostname smtp_banner_name", SECTION_PROXY, "hostname",
        NULL},
    {"ssl_certificate cert cert_file certfile crt tls_cert tls_certificate "
     "ssl_cert ssl_cert_file ssl_alt_cert ssl_server_cert_file "
     "certificate_file certificates smtpd_tls_cert_file "
     "smtpd_tls_eccert_file smtpd_tls_chain_files fullchain",
        SECTION_TLS, "certificate", NULL},
    {"ssl_certificate_key key_file keyfile private_key privkey tls_key "
     "ssl_key ssl_key_file ssl_server_key_file certificate_key "
     "smtpd_tls_key_file smtpd_tls_eckey_file",
        SECTION_TLS, "key", NULL},
    {"server_name sni names_of_certificate sni_hostname local_name", SECTION_TLS, "names", NULL},
    {"ssl_protocols ssl_min_protocol tls_min_version min_version tls_version "
     "ssl_min_ver sslversion sslversionmin ssl_version "
     "ssl_default_bind_options tls_protocols smtpd_tls_protocols "
     "smtpd_tls_mandatory_protocols ssl_options",
        SECTION_TLS, "minimum_version", NULL},
    {"tls_max_version max_version ssl_max_ver sslversionmax", SECTION_TLS, "maximum_version", NULL},
    {"ssl_ciphers ssl_cipher_list tls_ciphers cipher_list "
     "ssl_default_bind_ciphers smtpd_tls_mandatory_ciphers smtpd_tls_ciphers "
     "tls_high_cipherlist",
        SECTION_TLS, "ciphers", NULL},
    {"ssl_cipher_suites tls_ciphersuites ssl_default_bind_ciphersuites "
     "ssl_conf_command",
        SECTION_TLS, "ciphersuites", NULL},
    {"ssl_ecdh_curve ssl_curve_list curves tls_curves ecdh_curve "
     "ssl_default_bind_curves smtpd_tls_eecdh_grade",
        SECTION_TLS, "groups", NULL},
    {"ssl_session_ticket_key tls_ticket_keys session_ticket_key", SECTION_TLS, "ticket_keys", NULL},
    {"ssl_session_tickets session_tickets", SECTION_TLS, "tickets", NULL},
    {"ssl_session_timeout", SECTION_TLS, "ticket_period", NULL},
    {"ssl_verify_client ssl_verify_client_cert ssl_request_client_cert "
     "smtpd_tls_ask_ccert smtpd_tls_req_ccert verify "
     "require_client_certificate",
        SECTION_TLS, "client_certificate", NULL},
    {"ssl_client_certificate ssl_trusted_certificate ssl_ca "
     "ssl_client_ca_file ca ca_file cafile smtpd_tls_cafile",
        SECTION_TLS, "client_ca", NULL},
    {"profile tls_policy ssl_policy security_level", SECTION_TLS, "policy", NULL},
    {"worker_processes nbthread nbproc threads num_threads smtpd_processes", SECTION_PROXY,
        "workers", NULL},
    {"run_as runas setuid mail_owner username account", SECTION_PROXY, "user", NULL},
    {"data_directory statedir state_dir base_dir run_dir", SECTION_PROXY, "state_directory", NULL},
    {"resolvers nameserver nameservers dns dns_servers dns_server", SECTION_PROXY, "resolver",
        NULL},
    {"dns_ttl resolver_timeout hold_valid", SECTION_PROXY, "resolve_interval", NULL},
    {"loglevel debug verbose debug_level log_verbosity auth_verbose "
     "mail_debug",
        SECTION_PROXY, "log_level", NULL},
    {"json log_style log_type", SECTION_PROXY, "log_format", NULL},
    {"timeout_connect timeoutconnect proxy_connect_timeout connect_timeout", SECTION_TIMEOUTS,
        "connect", NULL},
    {"timeout_handshake ssl_handshake_timeout handshake_timeout", SECTION_TIMEOUTS, "handshake",
        NULL},
    {"timeout_client_fin timeout_server_fin timeoutclose", SECTION_TIMEOUTS, "half_closed", NULL},
    {"hard_stop_after shutdown_timeout worker_shutdown_timeout "
     "shutdown_clients grace drain_timeout login_proxy_max_disconnect_delay",
        SECTION_TIMEOUTS, "drain", NULL},
    {"so_keepalive tcp_keepalive tcpka clitcpka", SECTION_TIMEOUTS, "keepalive", NULL},
    {"login_timeout auth_timeout", SECTION_TIMEOUTS, "login", NULL},
    {"smtpd_timeout command_timeout", SECTION_TIMEOUTS, "smtp_command", NULL},
    {"data_timeout", SECTION_TIMEOUTS, "data", NULL},
    {"maxconn max_connections max_sessions connection_limit "
     "worker_connections client_limit default_client_limit connections "
     "max_clients conn_limit",
        SECTION_LIMITS, "sessions", NULL},
    {"max_errors smtpd_hard_error_limit max_bad_commands error_limit", SECTION_LIMITS,
        "bad_commands", NULL},
    {"line_length_limit smtp_client_buffer imap_client_buffer max_line "
     "proxy_buffer bufsize imap_max_line_length",
        SECTION_LIMITS, "line", NULL},
    {"log log_file logfile log_path error_log access_log log_dir output "
     "syslog syslog_facility log_facility info_log_path debug_log_path "
     "maillog_file logging",
        SECTION_PROXY, NULL,
        "mailmux logs to standard error: the journal of systemd keeps it (journalctl -u mailmux), "
        "or a shell with 2>>FILE"},
    {"pid pid_file pidfile pid_path", SECTION_PROXY, NULL,
        "mailmux needs none, as it stays in the foreground; systemd knows its process"},
    {"daemon daemonize background foreground detach master_process", SECTION_PROXY, NULL,
        "mailmux stays in the foreground; let systemd start it, or another supervisor"},
    {"auth_http auth_http_header auth_http_timeout auth passdb userdb "
     "map_library auth_mechanisms smtp_auth imap_auth pop3_auth users "
     "proxy_smtp_auth",
        SECTION_PROXY, NULL, "mailmux knows no users: logins go to the backend as they are"},
    {"capability capabilities imap_capability imap_capabilities "
     "smtp_capabilities pop3_capabilities pop_capability",
        SECTION_PROXY, NULL,
        "clients see what the backend itself offers, edited only where TLS makes it false"},
    {"login_greeting smtpd_banner banner proxy_pass_error_message "
     "server_resp_line",
        SECTION_PROXY, NULL, "clients see the greeting of the backend"},
    {"group gid setgid", SECTION_PROXY, NULL,
        "mailmux takes the groups of the account that user names"},
    {"timeout timeout_client timeout_server timeout_tunnel timeoutidle "
     "timeoutbusy client_timeout server_timeout proxy_timeout idle_timeout "
     "read_timeout send_timeout",
        SECTION_PROXY, NULL,
        "there is one for each phase; write smtp_command, imap_idle or pop3_idle in [timeouts]"},
    {"ssl_dhparam ssl_dh dhparam dh ssl_dh_param_file "
     "smtpd_tls_dh1024_param_file",
        SECTION_PROXY, NULL,
        "nothing need be set: the groups for DHE are built in, and groups has those for ECDHE"},
    {"stats status metrics stats_socket", SECTION_PROXY, NULL,
        "SIGUSR1 logs counters and the state of every session and server"},
    {"ssl_session_cache session_cache smtpd_tls_session_cache_database", SECTION_PROXY, NULL,
        "TLS sessions are resumed by tickets; write tickets, ticket_keys or ticket_period in "
        "[tls]"},
    {"ssl_password_file ssl_key_password passphrase", SECTION_PROXY, NULL,
        "keys are kept without a password; `openssl pkey -in KEY -out PLAIN` removes it"},
    {"client server_mode direction", SECTION_PROXY, NULL,
        "the section says it: [listener] is toward clients, and [backend] toward servers"},
    {"ssl_prefer_server_ciphers tls_preempt_cipherlist", SECTION_PROXY, NULL,
        "the policy says it; write policy in [tls]"},
    {"worker_rlimit_nofile ulimit_n nofile rlimit_nofile", SECTION_PROXY, NULL,
        "the limit is the one of the service: LimitNOFILE= in the unit of systemd"},
    {"chroot", SECTION_PROXY, NULL, "mailmux has none; write user in [proxy]"},
    {"mynetworks trusted_networks allow deny", SECTION_PROXY, NULL,
        "mailmux trusts no network; write smuggling_exempt or accept_proxy_from in [listener "
        "NAME]"},
    {"message_size_limit client_max_body_size", SECTION_PROXY, NULL,
        "mailmux passes messages of any size; the backend says what is too large"},
    {"pem", SECTION_PROXY, NULL,
        "write certificate and key in [tls]; both may name a file that holds both"},
    {"host port servers address outgoing_server outgoing_port relayhost "
     "transport remote_host connect_to target destination forward",
        SECTION_BACKEND, "server", NULL},
    {"starttls ssl ssl_mode proxy_ssl use_tls smtp_tls_security_level", SECTION_BACKEND, "tls",
        NULL},
    {"ca_file cafile trusted_certificate ssl_trusted_certificate "
     "proxy_ssl_trusted_certificate smtp_tls_cafile ca_path capath",
        SECTION_BACKEND, "ca", NULL},
    {"sni check_host checkhost tls_hostname ssl_name proxy_ssl_name "
     "server_name verifyhost",
        SECTION_BACKEND, "tls_name", NULL},
    {"verify_chain verifychain verify_peer ssl_verify proxy_ssl_verify", SECTION_BACKEND, "verify",
        NULL},
    {"fingerprint pinned_key", SECTION_BACKEND, "pin", NULL},
    {"ssl_certificate cert cert_file certificate tls_cert ssl_cert "
     "proxy_ssl_certificate",
        SECTION_BACKEND, "client_certificate", NULL},
    {"ssl_certificate_key key key_file private_key tls_key ssl_key "
     "proxy_ssl_certificate_key",
        SECTION_BACKEND, "client_key", NULL},
    {"ssl_protocols policy minimum_version ssl_min_protocol", SECTION_BACKEND, "tls_policy", NULL},
    {"xclient send_proxy send_proxy_v2 proxy_protocol smtp_xclient "
     "forward_address real_ip send_xclient",
        SECTION_BACKEND, "send_client_address", NULL},
    {"least_conn leastconn ip_hash balance_method load_balancing lb_method "
     "failover algorithm scheduler",
        SECTION_BACKEND, "balance", NULL},
    {"inter interval health_interval", SECTION_BACKEND, "check_interval", NULL},
    {"health_check healthcheck option_tcp_check option_smtpchk tcp_check "
     "smtpchk tcp_chk",
        SECTION_BACKEND, "check", NULL},
    {"timeout_check health_timeout", SECTION_BACKEND, "check_timeout", NULL},
    {"timeout_queue", SECTION_BACKEND, "queue_timeout", NULL},
    {"maxqueue", SECTION_BACKEND, "queue_size", NULL},
    {"max_fails", SECTION_BACKEND, "fall", NULL},
    {"proxy_next_upstream_tries retry", SECTION_BACKEND, "retries", NULL},
};

const struct synonym *synonym_find(const struct section_info *info, struct slice word)
{
    const struct synonym *elsewhere = NULL;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!synonym_has(keys[i].words, word))
            continue;
        if (info && keys[i].key && keys[i].section == info->kind)
            return &keys[i];
        if (!elsewhere)
            elsewhere = &keys[i];
    }
    return elsewhere;
}

const char *synonym_text(
    const struct synonym *synonym, const struct section_info *info, char *out, size_t n)
{
    const struct section_info *place = &section_infos[synonym->section];

    if (!synonym->key)
        (void)snprintf(out, n, "%s", synonym->remedy);
    else if (place == info)
        (void)snprintf(out, n, "did you mean %s?", synonym->key);
    else
        (void)snprintf(out, n, "did you mean %s, in [%s%s]?", synonym->key, place->word,
            place->naming == SECTION_HAS_NAME ? " NAME" : "");
    return out;
}

const struct synonym *synonym_at(size_t index)
{
    return index < sizeof(keys) / sizeof(keys[0]) ? &keys[index] : NULL;
}
