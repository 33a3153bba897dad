#!/bin/bash
# SPDX-License-Identifier: ISC
# Run by systemd in the root that test_package.py boots: install, configure, run,
# upgrade, remove and purge the package as an administrator does. Each check is
# a line; the first that fails ends it. Ends with "all good".
exec >/root/result 2>&1
trap 'systemctl poweroff --force --force >/dev/null 2>&1' EXIT
set -eu
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

fail() {
	echo "FAILED: $*"
	systemctl status --no-pager sealgated sealgate-portal || true
	journalctl --no-pager -u sealgated -u sealgate-portal -n 40 || true
	exit 1
}
# check WHAT COMMAND...
check() {
	local what=$1
	shift
	"$@" >/root/said 2>&1 || {
		cat /root/said
		fail "$what"
	}
	echo "ok: $what"
}
no() {
	! "$@"
}
gone() {
	local f
	for f; do
		[ ! -e "$f" ] || {
			echo "$f is there"
			return 1
		}
	done
}
until_true() {
	for _ in $(seq 300); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}
installed() {
	apt-get install -y -qq "$@"
}
hand_in() {
	local line
	exec 5<>/dev/tcp/127.0.0.1/10025
	answer() {
		read -r line <&5
		[[ $line == $1* ]] || fail "SMTP: $line, expected $1"
	}
	answer 220
	printf 'HELO client.example.com\r\n' >&5
	answer 250
	printf 'MAIL FROM:<a@example.com>\r\n' >&5
	answer 250
	printf 'RCPT TO:<b@partner.example>\r\n' >&5
	answer 250
	printf 'DATA\r\n' >&5
	answer 354
	printf 'From: a@example.com\r\nTo: b@partner.example\r\nSubject: x\r\n\r\nHello\r\n.\r\n' >&5
	answer 250
	printf 'QUIT\r\n' >&5
	exec 5>&-
}
queued() {
	[ "$(sealgate --json queue list | grep -c '"entry"')" = "$1" ]
}
main_pid() {
	systemctl show -p MainPID --value sealgated
}

deb=$(echo /root/debs/sealgate_*_*.deb)
check "the package installs" installed "$deb"
check "a user for every process is there" getent passwd sealgate-listener sealgate-keys sealgate-accounts
check "it is not enabled" no systemctl is-enabled sealgated
check "it does not run" no systemctl is-active sealgated
check "starting it unconfigured does nothing" systemctl start sealgated
check "and is no failure" no systemctl is-failed sealgated
check "it does not run then" no systemctl is-active sealgated
check "the manual is there" test -s /usr/share/man/man8/sealgated.8.gz
check "completion is there" grep -q _sealgate /usr/share/bash-completion/completions/sealgate
check "the page has its modules" test -d /usr/share/sealgate/portal/node_modules/dompurify
[ "$(stat -c '%a %U' /var/lib/sealgate/bodies)" = "3770 sealgate-store" ] || fail "mode of bodies"

check "setup writes the configuration" sealgate setup --hostname gw.example.com \
	--domain example.com --sign --domain-keys </dev/null
check "what it writes is good" sealgated -n
check "the CA's certificate is there" grep -q 'BEGIN CERTIFICATE' /etc/sealgate/ca.pem
check "it starts with what setup wrote" systemctl enable --now sealgated
check "it is well with that" until_true sealgate status
check "it has the keys that setup made" sh -c '[ "$(sealgate --json key list | grep -o fingerprint | wc -l)" = 3 ]'
# nobody answers DNS here, which the doctor says; it must come to its end
rc=0
sealgate doctor >/root/said 2>&1 || rc=$?
[ "$rc" -le 1 ] && grep -q '^ok .*gateway' /root/said || fail "doctor: $(cat /root/said)"
check "it stops" systemctl stop sealgated
# from here on another one, with keys as credentials of systemd
cp /root/sealgate.conf /etc/sealgate/sealgate.conf
mkdir -p /etc/credstore
chmod 700 /etc/credstore
mv /etc/sealgate/master.key /etc/credstore/sealgate.master-key
check "a certificate is made" openssl req -x509 -nodes -newkey rsa:2048 -days 9 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost -keyout /etc/credstore/sealgate.portal-key -out /etc/sealgate/portal.pem
check "the configuration is good" sealgated -n
check "it starts" systemctl start sealgated
check "it is well" until_true sealgate status
check "it runs" systemctl is-active sealgated
pid=$(main_pid)
grep -q '^NoNewPrivs:.1' "/proc/$pid/status" || fail "no walls"
users=$(ps -eo user:40,args | grep -c '^sealgate-.*--role') || true
[ "$users" -ge 10 ] || fail "processes with users of their own: $users"
check "the portal has its key" sh -c 'openssl s_client -connect 127.0.0.1:8443 -CAfile \
	/etc/sealgate/portal.pem -verify_return_error -servername localhost </dev/null'
check "nobody else can read it" no setpriv --reuid sealgate-portal --clear-groups cat \
	/run/credentials/sealgated.service/portal-key
check "a message is taken" hand_in
check "it waits" until_true queued 1
check "it reloads" systemctl reload sealgated
check "the same process runs" test "$pid" = "$(main_pid)"
echo 'hostnam = "x"' >>/etc/sealgate/sealgate.conf
check "a wrong configuration is refused" no systemctl reload sealgated
check "and what runs goes on" sealgate -f /root/sealgate.conf status
cp /root/sealgate.conf /etc/sealgate/sealgate.conf

# a process that dies, and the whole that hangs
worker=$(pgrep -f -- '--role relay')
kill -9 "$worker"
check "a process that dies comes back" until_true sh -c "sealgate status && ! kill -0 $worker"
mkdir -p /run/systemd/system/sealgated.service.d
printf '[Service]\nWatchdogSec=2\n' >/run/systemd/system/sealgated.service.d/quick.conf
systemctl daemon-reload
check "it restarts" systemctl restart sealgated
check "it is well again" until_true sealgate status
pid=$(main_pid)
kill -STOP "$pid"
check "the watchdog ends what hangs" until_true no test -e "/proc/$pid"
check "and it is started anew" until_true sealgate status
check "mail is still there" until_true queued 1
rm -r /run/systemd/system/sealgated.service.d
systemctl daemon-reload

pid=$(main_pid)
echo '# mine, too' >>/etc/apparmor.d/usr.sbin.sealgated
check "the next version installs" installed /root/debs/next.deb
check "a conffile stays as the administrator has it" grep -q '^# mine, too' /etc/apparmor.d/usr.sbin.sealgated
check "the configuration is untouched" cmp /root/sealgate.conf /etc/sealgate/sealgate.conf
check "it runs, started anew" until_true sh -c '[ "$(systemctl show -p MainPID --value sealgated)" != '"$pid"' ] && sealgate status'
check "mail is still there after the upgrade" until_true queued 1
check "its conffile is the administrator's" grep -q '^# mine' /etc/apparmor.d/local/usr.sbin.sealgated

# the portal of a gateway on another machine, never root; here it is the same one, so
# that both units and what setup makes for the two are tried
dmz=(--portal https://post.example.com --portal-dmz 127.0.0.1:9443)
check "starting it unconfigured does nothing" systemctl start sealgate-portal
check "it does not run then" no systemctl is-active sealgate-portal
check "the portal's certificate is made" sealgate setup --role portal "${dmz[@]}" </dev/null
check "its key is its group's" test "$(stat -c '%a %U %G' /etc/sealgate/link.key)" = "440 root sealgate-portal"
theirs=$(openssl x509 -in /etc/sealgate/link.pem -noout -fingerprint -sha256 | sed 's/.*=//')
mkdir /root/gateway
check "the gateway's setup knows it" sealgate -f /root/gateway/sealgate.conf setup \
	--hostname gw.example.com --domain example.com --state /root/gateway/state \
	"${dmz[@]}" --peer "$theirs" </dev/null
ours=$(openssl x509 -in /root/gateway/link.pem -noout -fingerprint -sha256 | sed 's/.*=//')
check "and the portal's the gateway" sealgate setup --role portal "${dmz[@]}" --peer "$ours" \
	--portal-address 127.0.0.1:443 --portal-cert /etc/sealgate/portal.pem \
	--portal-key credential:portal-key </dev/null
check "what it writes is good" sealgated -n -f /etc/sealgate/portal.conf
check "a portal of the DMZ starts" systemctl enable --now sealgate-portal
check "it runs" systemctl is-active sealgate-portal
check "it is not root" sh -c '[ "$(ps -o user= -p "$(systemctl show -p MainPID --value sealgate-portal)")" != root ]'
check "what it keeps is its own" test "$(stat -c '%a %U' /var/lib/sealgate-portal/escrow)" = "700 sealgate-portal"
check "its unit is as narrow as installed" systemd-analyze security --no-pager --threshold=15 sealgate-portal
check "and the gateway's" systemd-analyze security --no-pager --threshold=25 sealgated
check "it serves its page" sh -c 'openssl s_client -connect 127.0.0.1:443 -CAfile \
	/etc/sealgate/portal.pem -verify_return_error -servername localhost </dev/null'
cp /root/gateway/link.pem /etc/sealgate/gateway.pem
cp /root/gateway/link.key /etc/sealgate/gateway.key
{
	sed '/^portal {/,/}$/d' /root/sealgate.conf
	echo 'portal { url = "https://post.example.com" }'
	sed -n '/^portal dmz/,/^}/p' /root/gateway/sealgate.conf | sed 's|/root/gateway/link|/etc/sealgate/gateway|'
} >/etc/sealgate/sealgate.conf
check "the gateway with that portal is configured" sealgated -n
check "it starts with it" systemctl restart sealgated
check "it reaches it" until_true sealgate status
kill -9 "$(systemctl show -p MainPID --value sealgate-portal)"
check "a portal that dies comes back" until_true sh -c 'systemctl is-active sealgate-portal && sealgate status'
pid=$(systemctl show -p MainPID --value sealgate-portal)
check "the same package installs anew" apt-get install -y -qq --reinstall /root/debs/next.deb
check "and starts the portal anew" until_true sh -c '[ "$(systemctl show -p MainPID --value sealgate-portal)" != '"$pid"' ] &&
	systemctl is-active sealgate-portal && sealgate status'

check "it takes a renewed certificate" systemctl reload sealgate-portal
check "it is removed" apt-get remove -y -qq sealgate
check "nothing runs" no pgrep sealgated
check "its state stays" test -f /var/lib/sealgate/spool/data.mdb
check "the portal's, too" test -f /var/lib/sealgate-portal/format
check "its configuration stays" test -f /etc/sealgate/sealgate.conf
check "it installs again" installed "$deb"
check "and starts" systemctl start sealgated
check "with its mail" until_true queued 1

# purging: the configuration goes, what nobody can make again only when it is said
mv /etc/credstore/sealgate.master-key /etc/sealgate/master.key
check "it is purged" apt-get purge -y -qq sealgate
check "its configuration is gone" gone /etc/sealgate/sealgate.conf /etc/sealgate/portal.conf /etc/apparmor.d/usr.sbin.sealgated
check "the master key is there" test -f /etc/sealgate/master.key
check "mail and keys are there" test -f /var/lib/sealgate/spool/data.mdb -a -f /var/lib/sealgate/keystore/data.mdb
check "what the portal has is there" test -f /var/lib/sealgate-portal/format
check "it installs over them" installed "$deb"
grep -v '^master-key' /root/sealgate.conf >/etc/sealgate/sealgate.conf
check "starts" systemctl start sealgated
check "with the mail that was kept" until_true queued 1
check "somebody says what may go" sh -c 'echo sealgate sealgate/purge-state boolean true | debconf-set-selections'
check "it is purged again" apt-get purge -y -qq sealgate
check "nothing is left" gone /etc/sealgate /var/lib/sealgate /var/lib/sealgate-portal /run/sealgate /etc/apparmor.d/usr.sbin.sealgated
# what is set up beside, or has only its key here, sealed by systemd, is kept as well
check "it installs once more" installed "$deb"
mkdir /etc/sealgate/gw2
check "a gateway is set up beside" sealgate -f /etc/sealgate/gw2/sealgate.conf setup \
	--hostname gw.example.com --domain example.com --state /var/lib/sealgate/gw2 </dev/null
mkdir -p /var/lib/sealgate/gw2/spool
echo x >/var/lib/sealgate/gw2/spool/data.mdb
check "it is purged without being told more" apt-get purge -y -qq sealgate
check "its master key is there" test -f /etc/sealgate/gw2/master.key
check "its mail, too" test -s /var/lib/sealgate/gw2/spool/data.mdb
rm -r /etc/sealgate/gw2 /var/lib/sealgate/gw2
check "it installs for the next" installed "$deb"
cp /root/sealgate.conf /etc/sealgate/
echo sealed >/etc/sealgate/master.cred
check "it is purged with nothing but a credential" apt-get purge -y -qq sealgate
check "the credential is there" grep -q sealed /etc/sealgate/master.cred
check "the configuration is not" no test -e /etc/sealgate/sealgate.conf
rm /etc/sealgate/master.cred
# a file system of its own cannot be removed: it is emptied, and the answer forgotten
mkdir -p /var/lib/sealgate
check "the state has a file system of its own" mount -t tmpfs -o mode=711 state /var/lib/sealgate
check "it installs on that" installed "$deb"
echo x >/var/lib/sealgate/mail
check "somebody says again what may go" sh -c 'echo sealgate sealgate/purge-state boolean true | debconf-set-selections'
check "it is purged all the same" apt-get purge -y -qq sealgate
check "what was in it is gone" test -z "$(ls -A /var/lib/sealgate)"
check "nothing else is left" gone /etc/sealgate /var/lib/sealgate-portal
check "it is there once more" installed "$deb"
echo x >/var/lib/sealgate/mail
check "it is purged with no word" apt-get purge -y -qq sealgate
check "the mail is there" test -s /var/lib/sealgate/mail
check "the file system goes" umount /var/lib/sealgate
check "a first package installs" installed "$deb"
check "and goes without a question" apt-get purge -y -qq sealgate
check "with all that it made" gone /etc/sealgate /var/lib/sealgate /var/lib/sealgate-portal
no journalctl -q --no-pager -u sealgated -u sealgate-portal -g 'status=159|event=refused' | grep . && fail "walls were hit"
echo "all good"
