"""Cases of `contrib/bench net`: streams, round trips and connections into and out of containers, by each way there is.

`in` goes from the host through -p at an address of the host's own (not loopback), `out` from the container to a server of
the host at that address. All containers run at the same time; each round measures every way once. MB is the length of a
stream (BENCH_MB, 200).
"""

import os, socket, statistics, subprocess, time

CASES = ["in_stream", "in_turns", "in_connections", "out_stream", "out_turns", "out_connections"]
MB = int(os.environ.get("BENCH_MB", "200"))
TURNS, CONNECTIONS, PORT = 2000, 500, 7000
IMAGE = "localhost/bench:5"
WAYS = [  # name, tool, network
    ("coracle", "coracle", "slirp4netns"), ("coracle pasta", "coracle", "pasta"), ("coracle network", "coracle", "bench"),
    ("podman rootlessport", "podman", "slirp4netns"), ("podman slirp ports", "podman", "slirp4netns:port_handler=slirp4netns"),
    ("podman pasta", "podman", "pasta"), ("podman network", "podman", "bench"),
]


class Net:
    rounds = int(os.environ.get("BENCH_ROUNDS", "5"))

    def __init__(self, bench, write_archive):
        self.bench, self.write_archive = bench, write_archive
        self.peer = bench.dir + "/netpeer"
        self.ways, self.server = {}, None

    def prepare(self):
        b = self.bench
        source = os.path.dirname(os.path.realpath(__file__)) + "/netpeer.c"
        b.sh(["cc", "-O2", "-static", "-o", self.peer, source])
        os.chmod(b.dir, 0o755)
        archive = b.dir + "/image.tar"
        self.write_archive(archive, 5, IMAGE)
        for tool in ("coracle", "podman"):
            if tool in b.tools:
                b.sh(b.tools[tool] + ["load", "-q", "-i", archive])
                subprocess.run(b.tools[tool] + ["network", "create", "bench"], stdin=b.null, capture_output=True)
        self.address = own_address()
        self.out_port = free_port()
        self.server = subprocess.Popen([self.peer, "serve", str(self.out_port)], stdin=b.null)
        for name, tool, network in WAYS:
            if tool in b.tools:
                self.start(name, tool, network)

    def start(self, name, tool, network):
        b, port = self.bench, free_port()
        container = "bench-" + name.replace(" ", "-")
        argv = b.tools[tool] + ["run", "-d", "--name", container, "--network", network, "-p", f"{port}:{PORT}",
                                "-v", self.peer + ":/netpeer:ro", IMAGE, "/netpeer", "serve", str(PORT)]
        done = subprocess.run(argv, stdin=b.null, capture_output=True, text=True)
        for _ in range(50):
            if done.returncode:
                break
            probe = subprocess.run([self.peer, "turn", self.address, str(port), "1"], capture_output=True)
            if probe.returncode == 0:
                self.ways[name] = (tool, container, port)
                return
            time.sleep(0.1)
        print(f"note: {name} is left out: {(done.stderr.strip() or 'no answer').splitlines()[-1]}")

    def close(self):
        if self.server:
            self.server.kill()
            self.server.wait()

    def measure(self, name, what, inward, count):
        tool, container, port = self.ways[name]
        words = [what, self.address, str(port if inward else self.out_port), str(count)]
        argv = [self.peer] + words if inward else self.bench.tools[tool] + ["exec", container, "/netpeer"] + words
        return float(self.bench.sh(argv))

    def compare(self, title, what, inward, count, unit, value):
        times = {name: [] for name in self.ways}
        for n in range(self.rounds + 1):
            for name in list(times) if n % 2 else list(reversed(times)):
                seconds = self.measure(name, what, inward, count)
                if n:  # the first one warms
                    times[name].append(seconds)
        print(f"\n{title}\n  {'':20} {unit:>12} {'[best]':>12}   x coracle")
        base = None
        for name, seconds in times.items():
            median = statistics.median(seconds)
            base = base or median
            print(f"  {name:20} {value(median):12.1f} {'[%.1f]' % value(min(seconds)):>12}   {base / median:9.2f}", flush=True)

    # -- cases: a larger ratio is a faster way ------------------------------------------------------------------------

    def in_stream(self):
        self.compare(f"into the container: one stream of {MB} MB", "send", True, MB, "MB/s", lambda s: MB / s)

    def in_turns(self):
        self.compare("into the container: round trips of a byte", "turn", True, TURNS, "µs each", lambda s: s / TURNS * 1e6)

    def in_connections(self):
        self.compare("into the container: connections", "open", True, CONNECTIONS, "1/s", lambda s: CONNECTIONS / s)

    def out_stream(self):
        self.compare(f"out of the container: one stream of {MB} MB", "send", False, MB, "MB/s", lambda s: MB / s)

    def out_turns(self):
        self.compare("out of the container: round trips of a byte", "turn", False, TURNS, "µs each", lambda s: s / TURNS * 1e6)

    def out_connections(self):
        self.compare("out of the container: connections", "open", False, CONNECTIONS, "1/s", lambda s: CONNECTIONS / s)


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("192.0.2.200", 9))
        return s.getsockname()[0]


def free_port():
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
        s.bind(("::", 0))
        return s.getsockname()[1]
