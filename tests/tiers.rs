//! A real application in three tiers on a user-defined network: nginx, an application, PostgreSQL and redis, which know
//! each other by name. Any part of it may be killed under load.

mod common;

use common::{TestEnv, eventually, free_port};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Answers each request with a counter of redis's and a sum of PostgreSQL's, both asked anew by name.
const APP: &str = r#"
use strict; use IO::Socket::INET; $SIG{CHLD} = 'IGNORE';
sub open_to { IO::Socket::INET->new(PeerAddr => $_[0], PeerPort => $_[1], Timeout => 2) or die "no $_[0]" }
sub full { my ($s, $n) = @_; my $b = '';
  while (length $b < $n) { sysread($s, $b, $n - length $b, length $b) or die "short" } $b }
sub message { my $s = shift; my ($t, $n) = unpack 'aN', full($s, 5); ($t, $n > 4 ? full($s, $n - 4) : '') }
sub sql { my $s = open_to('db', 5432);
  my $m = pack('N', 196608) . "user\0postgres\0database\0postgres\0\0";
  print $s pack('N', 4 + length $m) . $m; $s->flush; my ($t, $b);
  do { ($t, $b) = message($s); die $b if $t eq 'E' } until $t eq 'Z';
  my $q = "$_[0]\0"; print $s 'Q' . pack('N', 4 + length $q) . $q; $s->flush; my $row;
  do { ($t, $b) = message($s); die $b if $t eq 'E'; $row = substr $b, 6 if $t eq 'D' } until $t eq 'Z'; $row }
sub hits { my $s = open_to('cache', 6379); print $s "INCR hits\r\n"; $s->flush; my $l = <$s>; $l =~ /^:(\d+)/ or die; $1 }
my $l = IO::Socket::INET->new(LocalPort => 8000, Listen => 128, ReuseAddr => 1) or die $!;
while (1) { my $c = $l->accept or next; my $p = fork; if ($p) { close $c; next }
  alarm 10; while (my $h = <$c>) { last if $h =~ /^\r?$/ }
  my $b = eval { sprintf "hits %08d sum %s\n", hits(), sql('select sum(n) from t') };
  my ($k, $t) = $b ? ('200 OK', $b) : ('502 Bad Gateway', $@);
  print $c "HTTP/1.0 $k\r\nContent-Length: " . length($t) . "\r\n\r\n$t"; close $c; exit }
"#;

const NGINX: &str = "
daemon off; worker_processes 2; error_log stderr; pid /tmp/nginx.pid;
events { worker_connections 512; }
http { access_log off; resolver 10.77.8.1 valid=1s ipv6=off;
  server { listen 80; location / { set $to http://app:8000; proxy_pass $to; proxy_connect_timeout 2s; } } }
";

const DB: &str = "set -e; b=$(ls -d /usr/lib/postgresql/*/bin); d=/var/tmp/db
    if [ ! -e $d/ready ]; then
        install -d -o postgres $d; su postgres -c \"$b/initdb -A trust -D $d >/dev/null\"
        echo 'host all all all trust' >> $d/pg_hba.conf
        echo 'create table t as select generate_series(1, 1000) n' | su postgres -c \"$b/postgres --single -D $d postgres\" >/dev/null
        touch $d/ready
    fi
    exec su postgres -c \"exec $b/postgres -D $d -c listen_addresses='*' -c unix_socket_directories= -c fsync=off\"";

/// What a good answer ends with: the sum of 1 to 1000.
const SUM: &str = "sum 500500\n";
const CACHE: &str = "redis-server --bind 0.0.0.0 --protected-mode no --save ''";

fn answer(env: &TestEnv, url: &str) -> Option<String> {
    let out = env.finish(env.program("curl").args(["-sf", "-m", "5", url]), b"");
    (out.code == 0 && out.stdout.ends_with(SUM)).then(|| out.stdout.clone())
}

struct Load(Child);

impl Load {
    /// Clients without a pause until it is dropped, or a minute has passed.
    fn start(url: &str) -> Load {
        let mut ab = Command::new("ab");
        ab.args(["-q", "-r", "-l", "-s", "10", "-c", "8", "-t", "60", "-n", "1000000", url]);
        Load(ab.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn three_tiers_survive_the_death_of_each() {
    need!("ab", "curl");
    let env = prepared_env!("services.tar");
    let app = env.file("app.pl", APP).display().to_string();
    let config = env.file("nginx.conf", NGINX).display().to_string();
    let port = free_port();
    env.sh("network create shop --subnet 10.77.8.0/24").success();
    let image = "localhost/services";
    env.run(["run", "-d", "--name", "db", "--network", "shop", image, "sh", "-c", DB]).success();
    env.start(&format!("--name cache --network shop -u redis {image} {CACHE}"));
    env.start(&format!("--name app --network shop -v {app}:/app.pl:ro {image} perl /app.pl"));
    env.start(&format!(
        "--name web --network shop -p {port}:80 -v {config}:/nginx.conf:ro {image} nginx -c /nginx.conf"
    ));
    let url = format!("http://127.0.0.1:{port}/");
    eventually("the first answer", 90, || answer(&env, &url).is_some());
    let ip = |part: &str| {
        let all = env.inspect(part)["NetworkSettings"]["Networks"]["shop"].take();
        all["IPAddress"].as_str().unwrap().to_string()
    };
    let parts = ["cache", "app", "db", "web"];
    let before = parts.map(ip);
    let load = Load::start(&url);
    for part in parts {
        env.sh(&format!("kill -s KILL {part}")).success();
        env.sh(&format!("wait {part}")).success();
        let begin = Instant::now();
        env.sh(&format!("start {part}")).success();
        let started = begin.elapsed();
        eventually(&format!("an answer after the death of {part}"), 60, || answer(&env, &url).is_some());
        let took = begin.elapsed();
        eprintln!("{part}: started after {started:?}, an answer after {:?}", took.max(Duration::ZERO));
    }
    drop(load);
    assert_eq!(parts.map(ip), before);
    let quiet = |env: &TestEnv| {
        let words = ["-q", "-l", "-s", "10", "-c", "8", "-n", "400", &url];
        let out = env.finish(env.program("ab").args(words), b"").success();
        out.stdout.contains("Complete requests:      400")
            && out.stdout.contains("Failed requests:        0")
            && !out.stdout.contains("Non-2xx")
    };
    // Requests of the load may still be under way at the first try.
    eventually("400 good answers", 60, || quiet(&env));
    let hits = answer(&env, &url).unwrap();
    assert!(hits.starts_with("hits 0") && hits.as_str() > "hits 00000400", "{hits}");
}
