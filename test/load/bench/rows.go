//go:build linux

package main

import "slices"

// row is a line of the table: a metric of the service compared with one of the floor.
type row struct {
	what   string
	unit   string
	metric string
	floor  string // the floor's metric; empty means the same metric, none means no comparison
	target target
}

// none means that a row has no metric of the floor.
const none = "-"

// anFsync is the time of an fsync on the machine's disk, recorded as a figure of the floor.
const anFsync = "fsync"

// ofThePublish is the number of allocations of a broadcast's publish per delivery, divided
// by thousands of deliveries. A delivery itself must not allocate.
const ofThePublish = 0.01

// targets returns the rows of `all` and `quick`. Microseconds per unit are seconds per
// million units.
func targets() []row {
	return slices.Concat(connecting(), broadcasting(), publishing(), reconnecting(), reading(), joining(), growing())
}

func connecting() []row {
	return []row{
		{"idle connection, RSS", "B", "idle rss", "", atMost(7_000, "; aim 3,500")},
		{"all idle, CPU", "ms/s", "idle cpu", "", noted()},
		{"connect, HS256 token, CPU", "µs", "connect cpu", "", ratioAtMost(1.5)},
		{"connect, RS256 token (2,048 bits), CPU", "µs", "connect rs256 cpu", "", noted()},
		{"connect", "1/s", "connect rate", "", noted()},
	}
}

func broadcasting() []row {
	return []row{
		{"broadcast, CPU per delivery", "µs", "broadcast cpu", "", ratioAtMost(1.05)},
		{"broadcast, allocations per delivery", "", "broadcast allocs", none, atMost(ofThePublish, ": the publish's own")},
		{"broadcast, deliveries", "1/s", "broadcast rate", "", noted()},
		{"… p50", "ms", "broadcast p50", "", noted()},
		{"… p99", "ms", "broadcast p99", "", noted()},
		{"broadcast that replaces the last, CPU per delivery", "µs", "collapsing broadcast cpu", none, noted()},
		{"… compared with a plain one", "×", "collapsing / plain cpu", none, atMost(1.15, "")},
		{"… p50", "ms", "collapsing broadcast p50", none, noted()},
		{"… compared with a plain one", "×", "collapsing / plain p50", none, atMost(1.15, "")},
		{"broadcast and its recall, CPU per delivery of the broadcast", "µs", "recalled broadcast cpu", none, noted()},
		{"… compared with a plain one", "×", "recall / plain cpu", none, atMost(2.2, ": two events and a count")},
		{"four broadcasts under way, CPU per delivery", "µs", "four broadcasts cpu", "", ratioBelow(1)},
		{"four broadcasts under way, allocations per delivery", "", "four broadcasts allocs", none, noted()},
		{"four broadcasts under way, deliveries", "1/s", "four broadcasts rate", "", noted()},
		{"… p50", "ms", "four broadcasts p50", "", noted()},
		{"… p99", "ms", "four broadcasts p99", "", noted()},
	}
}

func publishing() []row {
	return []row{
		{"publish, stored, 64 publishers, CPU", "µs", "stored, 64 cpu", "", ratioAtMost(2)},
		{"publish, stored, 64 publishers, allocations", "", "stored, 64 allocs", none, atMost(60, "")},
		{"publish, stored, 64 publishers", "1/s", "stored, 64 rate", "", noted()},
		{"… p50 to the socket", "ms", "stored, 64 p50", "", noted()},
		{"… p99", "ms", "stored, 64 p99", "", noted()},
		{"… p99.9", "ms", "stored, 64 p99.9", "", noted()},
		{"publish, stored, 16 publishers, CPU", "µs", "stored, 16 cpu", "", ratioAtMost(2.5)},
		{"publish, stored, 16 publishers", "1/s", "stored, 16 rate", "", noted()},
		{"publish, ephemeral, 64 publishers, CPU", "µs", "ephemeral, 64 cpu", "stored, 64 cpu", ratioAtMost(1.5)},
		{"publish, ephemeral, 64 publishers", "1/s", "ephemeral, 64 rate", "stored, 64 rate", noted()},
		{"stored, batches of 100, CPU per notification", "µs", "batch, 64 cpu", "stored, 64 cpu", ratioAtMost(0.6)},
		{"stored, batches of 100, allocations per notification", "", "batch, 64 allocs", none, noted()},
		{"stored, batches of 100, 64 publishers", "1/s", "batch, 64 rate", "stored, 64 rate", noted()},
		{"stored, batches of 100, 256 publishers", "1/s", "batch, 256 rate", none, noted()},

		{"an fsync of 4 KiB on an idle disk, p50", "ms", anFsync, "", noted()},
		{"at 2,000/s, stored, p50", "ms", "stored, 2000/s p50", "", fsyncPlus(3)},
		{"at 2,000/s, stored, p99", "ms", "stored, 2000/s p99", "", noted()},
		{"at 2,000/s, stored, CPU", "µs", "stored, 2000/s cpu", "", noted()},
		{"at 2,000/s, ephemeral, p50", "ms", "ephemeral, 2000/s p50", "stored, 2000/s p50", floorPlus(0.3)},
		{"at 2,000/s, ephemeral, p99", "ms", "ephemeral, 2000/s p99", "stored, 2000/s p99", noted()},
	}
}

func reconnecting() []row {
	return []row{
		{"all reconnect at the same time", "s", "storm seconds", "", ratioAtMost(1.5)},
		{"… CPU per client", "µs", "storm cpu", "", noted()},
		{"all reconnect at the same time, each missed some", "s", "storm missed seconds", "storm seconds", ratioAtMost(2)},
		{"… CPU per client", "µs", "storm missed cpu", "storm cpu", noted()},
	}
}

func reading() []row {
	return []row{
		{"list 50 of an inbox of 1,000, CPU", "µs", "list cpu", none, noted()},
		{"… p50", "ms", "list p50", none, noted()},
		{"list by a type that none of 1,000 has, and count them, CPU", "µs", "filter by type cpu", none, noted()},
		{"… p50", "ms", "filter by type p50", none, noted()},
		{"… by a topic, CPU", "µs", "filter by topic cpu", none, noted()},
		{"… by a priority, CPU", "µs", "filter by priority cpu", none, noted()},
		{"count 1,000 by type, CPU", "µs", "count by type cpu", none, noted()},
		{"… p50", "ms", "count by type p50", none, noted()},
		{"… by topic, CPU", "µs", "count by topic cpu", none, noted()},
		{"… by priority, CPU", "µs", "count by priority cpu", none, noted()},
		{"mark one read or unread, of 1,000, stored, CPU", "µs", "mark cpu", none, noted()},
		{"… p50", "ms", "mark p50", none, noted()},
		{"mark one, of 50, CPU", "µs", "mark few cpu", none, noted()},
		{"… growth from 50 to 1,000", "×", "growth of mark", none, atMost(1.15, "")},
		{"publish at 200/s, answered, p50", "ms", "publish alone", none, noted()},
		{"… while one user does everything", "ms", "publish under attack", none, noted()},
		{"… growth", "×", "hostile growth", none, atMost(3, "")},
		{"list 50 by a pattern over 100 topics, CPU", "µs", "list few topics cpu", none, noted()},
		{"… over 20,000 topics", "µs", "list many topics cpu", none, noted()},
		{"… growth", "×", "growth by topics", none, atMost(1.15, "")},
		{"publish, one at a time, p50", "ms", "publish alone p50", none, noted()},
		{"… while a user marks 50,000 as read and unread in turn", "ms", "publish during marks p50", none, noted()},
		{"… growth", "×", "growth during marks", none, atMost(3, "")},
	}
}

func joining() []row {
	return []row{
		{"publish to a topic with 100 members, all connected, CPU", "µs", "publish small", none, noted()},
		{"… with 100,000 members, the same connected", "µs", "publish crowded", none, noted()},
		{"… growth", "×", "growth of publish by members", none, atMost(1.15, "")},
		{"… entries of the journal per publish, 100,000 members", "", "entries of publish crowded", none, atMost(1.01, ": one")},
		{"… bytes of the journal per publish, 100 members", "B", "log bytes of publish small", none, noted()},
		{"… growth", "×", "growth of log bytes of publish by members", none, atMost(1.15, "")},
		{"join an empty topic, 1,000 at a time, CPU per user", "µs", "join small", none, noted()},
		{"… a topic with 100,000 members", "µs", "join crowded", none, noted()},
		{"… growth", "×", "growth of join by members", none, atMost(1.15, "")},
		{"list 50 as a member of 10 topics, CPU", "µs", "list few joined cpu", none, noted()},
		{"… of 1,000 topics", "µs", "list many joined cpu", none, noted()},
		{"… growth", "×", "growth of list by topics joined", none, noted()},
		{"count all as a member of 10 topics, CPU", "µs", "count few joined cpu", none, noted()},
		{"… of 1,000 topics", "µs", "count many joined cpu", none, noted()},
		{"… growth", "×", "growth of count by topics joined", none, noted()},
		{"open a connection as a member of 10 topics, CPU", "µs", "open few joined cpu", none, noted()},
		{"… of 1,000 topics", "µs", "open many joined cpu", none, noted()},
		{"… growth", "×", "growth of open by topics joined", none, noted()},
		{"resume a connection that missed 20 as a member of 10 topics, CPU", "µs", "resume few joined cpu", none, noted()},
		{"… of 1,000 topics", "µs", "resume many joined cpu", none, noted()},
		{"… growth", "×", "growth of resume by topics joined", none, noted()},
		{"publish to a user without preferences, CPU", "µs", "publish without rules cpu", none, noted()},
		{"… with 100 rules", "µs", "publish with rules cpu", none, noted()},
		{"… growth", "×", "growth of publish by rules", none, atMost(1.15, "")},
		{"list 50 of 1,000 without preferences, CPU", "µs", "list without rules cpu", none, noted()},
		{"… with 100 rules", "µs", "list with rules cpu", none, noted()},
		{"… growth", "×", "growth of list by rules", none, noted()},
		{"count 1,000 without preferences, CPU", "µs", "count without rules cpu", none, noted()},
		{"… with 100 rules", "µs", "count with rules cpu", none, noted()},
		{"… growth", "×", "growth of count by rules", none, noted()},
		{"open a connection of a user with 1,000 without preferences, CPU", "µs", "open without rules cpu", none, noted()},
		{"… with 100 rules", "µs", "open with rules cpu", none, noted()},
		{"… growth", "×", "growth of open by rules", none, noted()},
	}
}

func growing() []row {
	return []row{
		{"broadcast, CPU per delivery, few connections", "µs", "few broadcast cpu", "", noted()},
		{"… many connections", "µs", "many broadcast cpu", "", noted()},
		{"… growth", "×", "growth of broadcast", "", ratioAtMost(1.15)},
		{"publish, stored, CPU, few connections", "µs", "few stored cpu", "", noted()},
		{"… many connections", "µs", "many stored cpu", "", noted()},
		{"… growth", "×", "growth of stored", "", ratioAtMost(1.15)},
		{"publish, stored, CPU, few users with history", "µs", "few users cpu", none, noted()},
		{"… many users with history", "µs", "many users cpu", none, noted()},
		{"… growth", "×", "growth by users", none, atMost(1.15, "")},

		{"start of an empty server", "ms", "start", "", noted()},
		{"start with a full store, after a stop", "ms", "start full", none, atMost(1_000, "")},
		{"… after `kill -9`", "ms", "start killed", none, atMost(3_000, "")},
		{"size of the full store", "MiB", "full store", none, noted()},
	}
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
