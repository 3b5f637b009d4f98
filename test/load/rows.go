//go:build linux

package main

// row is a line of the table: a metric of the service beside one of the floor.
type row struct {
	what   string
	unit   string
	metric string
	beside string // the floor's metric; empty: the same; none: there is nothing to compare
	target string
}

// none stands for no metric.
const none = "-"

// targets are the rows of `all` and `quick`. Microseconds per unit are seconds
// per million.
var targets = []row{
	{"idle connection, RSS", "B", "idle rss", "", "at most 7,000 B; stretch 3,500"},
	{"all idle, CPU", "ms/s", "idle cpu", "", "noted"},
	{"connect, HS256 token, CPU", "µs", "connect cpu", "", "1.5 × floor"},
	{"connect", "1/s", "connect rate", "", "noted"},
	{"start of an empty server", "ms", "start", "", "noted"},

	{"broadcast, CPU per delivery", "µs", "broadcast cpu", "", "1.05 × floor"},
	{"broadcast, deliveries", "1/s", "broadcast rate", "", "noted"},
	{"broadcast, p50", "ms", "broadcast p50", "", "noted"},
	{"broadcast, p99", "ms", "broadcast p99", "", "noted"},
	{"four broadcasts under way, CPU per delivery", "µs", "four broadcasts cpu", "", "below 1.0 × floor"},
	{"four broadcasts under way, deliveries", "1/s", "four broadcasts rate", "", "noted"},
	{"four broadcasts under way, p50", "ms", "four broadcasts p50", "", "noted"},
	{"four broadcasts under way, p99", "ms", "four broadcasts p99", "", "noted"},

	{"publish, stored, 64 publishers, CPU", "µs", "stored, 64 cpu", "", "2.0 × floor"},
	{"publish, stored, 64 publishers", "1/s", "stored, 64 rate", "", "noted"},
	{"… p50 to the socket", "ms", "stored, 64 p50", "", "noted"},
	{"… p99", "ms", "stored, 64 p99", "", "noted"},
	{"… p99.9", "ms", "stored, 64 p99.9", "", "noted"},
	{"publish, stored, 16 publishers, CPU", "µs", "stored, 16 cpu", "", "2.5 × floor"},
	{"publish, stored, 16 publishers", "1/s", "stored, 16 rate", "", "noted"},
	{"publish, ephemeral, 64 publishers, CPU", "µs", "ephemeral, 64 cpu", "stored, 64 cpu", "1.5 × floor"},
	{"publish, ephemeral, 64 publishers", "1/s", "ephemeral, 64 rate", "stored, 64 rate", "noted"},
	{"stored, batches of 100, CPU per notification", "µs", "batch, 64 cpu", "stored, 64 cpu", "0.6 × floor"},
	{"stored, batches of 100, 64 publishers", "1/s", "batch, 64 rate", "stored, 64 rate", "noted"},
	{"stored, batches of 100, 256 publishers", "1/s", "batch, 256 rate", none, "noted"},

	{"at 2,000/s, stored, p50", "ms", "stored, 2000/s p50", "", "one fsync + 3 ms"},
	{"at 2,000/s, stored, p99", "ms", "stored, 2000/s p99", "", "noted"},
	{"at 2,000/s, stored, CPU", "µs", "stored, 2000/s cpu", "", "noted"},
	{"at 2,000/s, ephemeral, p50", "ms", "ephemeral, 2000/s p50", "stored, 2000/s p50", "floor + 0.3 ms"},
	{"at 2,000/s, ephemeral, p99", "ms", "ephemeral, 2000/s p99", "stored, 2000/s p99", "noted"},

	{"all come back at once", "s", "storm seconds", "", "1.5 × floor"},
	{"… CPU per client", "µs", "storm cpu", "", "noted"},
	{"all come back at once, each missed some", "s", "storm missed seconds", "storm seconds", "2.0 × floor"},
	{"… CPU per client", "µs", "storm missed cpu", "storm cpu", "noted"},
}

// durable are the rows of `report`.
var durable = []struct {
	what string
	load string
	side side
}{
	{"stored, 64 publishers", "stored, 64", service},
	{"stored, 256 publishers", "stored, 256", service},
	{"stored, 64 publishers, batches of 100", "batch, 64", service},
	{"stored, 256 publishers, batches of 100", "batch, 256", service},
	{"the floor, 64 publishers", "stored, 64", floor},
	{"the floor, 256 publishers", "stored, 256", floor},
}
