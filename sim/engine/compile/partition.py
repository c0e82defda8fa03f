"""Cut combinational logic into parts that run whole, in an order without cycles.

A part is run only when something it reads has changed. Cells that serve one part only join it;
small parts of one level and module are then merged, to keep their number low.
"""

from collections import Counter, defaultdict

from ..design.graph import ordered

__all__ = ["Partition"]


def _name(key):
    return key if isinstance(key, tuple) else ("", key)


class Partition:
    """Parts of the combinational logic of a netlist.

    Parameters
    ----------
    cells : Cells
        The netlist.
    limit : int
        Cells in a part, at most, when parts are merged.

    Attributes
    ----------
    parts : list of list
        Keys of each part, every key after those it needs; parts likewise.
    part_of : dict
        Key to the number of its part.
    users : dict
        Key to the keys computed from it.
    sinks : dict
        Clocked thing (``("f" | "r" | "w" | "e", cell)``) to the keys it looks at.
    sink_users : dict
        Key to the clocked things that look at it.
    clocks : set
        Nets that are a clock or an asynchronous reset.
    stored : set
        Keys whose value is kept in memory.
    """

    def __init__(self, cells, limit=60):
        self.cells = cells
        self.sinks = self._sinks()
        self.clocks = self._clocks()
        visible = set()
        for value in cells.netlist.signals.values():
            visible |= cells.keys(value)
        self.visible = visible
        needed = visible | {("event", i) for i in cells.comb_events}
        needed |= {cells.key(net)[0] for net in self.clocks}
        for sources in self.sinks.values():
            needed |= sources
        live = self._live(needed)
        self._inner = {key: sorted((source for source in cells.sources[key] if source in live),
                                   key=_name)
                       for key in cells.sources if key in live}
        components = ordered(self._inner, self._inner.__getitem__)
        self._order = [key for component in components for key in component]
        self.users, self.sink_users = defaultdict(set), defaultdict(set)
        for key in self._order:
            for source in cells.sources[key]:
                self.users[source].add(key)
        for sink, sources in self.sinks.items():
            for source in sources:
                self.sink_users[source].add(sink)
        self._build_parts(limit)
        self.stored = self._stored()

    def __getstate__(self):
        """Leave out what is needed only to compile."""
        return {"parts": self.parts, "part_of": self.part_of}

    def _sinks(self):
        cells = self.cells
        sinks = {("f", i): {cells.data[i]} | {
            cells.resets[net] for net in (cells.cells[i].arst,) if net in cells.resets}
            for i in cells.flipflops}
        for kind, indices, values in (
                ("r", cells.reads, cells.read_inputs),
                ("e", cells.sync_events, cells.event_values)):
            for i in indices:
                found = set()
                for value in values(cells.cells[i]):
                    found |= cells.keys(value)
                sinks[kind, i] = found
        for i in cells.writes:
            pinned = cells.pinned[i]
            sinks["w", i] = set(pinned.values()).union(*(
                cells.keys(getattr(cells.cells[i], name)) for name in ("addr", "data", "en")
                if name not in pinned))
        return sinks

    def _clocks(self):
        nets = set()
        for _kind, i in self.sinks:
            cell = self.cells.cells[i]
            nets.add(cell.clk)
            nets.add(getattr(cell, "arst", 0))
        return {net for net in nets if net >= 2}

    def _live(self, needed):
        sources, live = self.cells.sources, set()
        stack = [key for key in needed if key in sources]
        while stack:
            key = stack.pop()
            if key not in live:
                live.add(key)
                stack += [source for source in sources[key]
                          if source in sources and source not in live]
        return live

    def _build_parts(self, limit):
        cluster, members = self._cones(limit)
        levels, clusters = self._levels(cluster, members)
        self._merge(cluster, members, levels, clusters, limit)
        members = defaultdict(list)
        for key in self._order:
            members[cluster[key]].append(key)
        levels, clusters = self._levels(cluster, members)
        clusters.sort(key=levels.__getitem__)
        self.parts = [members[name] for name in clusters]
        self.part_of = {key: n for n, part in enumerate(self.parts) for key in part}

    def _cones(self, limit):
        """Put every key into the cluster of its only user, as long as that stays small."""
        cluster, members, size = {}, {}, Counter()
        for key in reversed(self._order):
            target = key
            if not self.sink_users.get(key):
                owners = {cluster[user] for user in self.users.get(key, ())}
                if len(owners) == 1 and size[owner := owners.pop()] < limit:
                    target = owner
            cluster[key] = target
            size[target] += 1
            members.setdefault(target, []).append(key)
        return cluster, members

    def _levels(self, cluster, members):
        inner = self._inner
        leads = {name: list(dict.fromkeys(
            cluster[source] for key in keys for source in inner[key] if cluster[source] != name))
            for name, keys in members.items()}
        levels, names = {}, []
        for (name,) in ordered(leads, leads.__getitem__):
            levels[name] = 1 + max((levels[other] for other in leads[name]), default=-1)
            names.append(name)
        return levels, names

    def _merge(self, cluster, members, levels, clusters, limit):
        """Merge clusters of one level and module, those with the same narrow sources first."""
        cells = self.cells

        def module(name):
            return cells.cells[members[name][0][1] if isinstance(members[name][0], tuple)
                               else members[name][0]].module_idx

        def control(name):
            found = {source for key in members[name] for source in cells.sources[key]
                     if cluster.get(source) != name and cells.width[source] <= 8}
            return sorted(map(_name, found), key=str)

        groups = defaultdict(list)
        for name in clusters:
            groups[levels[name], module(name)].append(name)
        renamed = {}
        for names in groups.values():
            names.sort(key=control)
            into, size = None, 0
            for name in names:
                if into is None or size + len(members[name]) > limit:
                    into, size = name, 0
                renamed[name] = into
                size += len(members[name])
        for key, name in cluster.items():
            cluster[key] = renamed[name]

    def _stored(self):
        cells = self.cells
        stored = {key for key, kind in cells.kind.items() if kind != "comb"}
        part_of = self.part_of
        for key in self._order:
            if (key in self.visible or self.sink_users.get(key)
                    or any(part_of[user] != part_of[key] for user in self.users.get(key, ()))):
                stored.add(key)
        stored |= {cells.key(net)[0] for net in self.clocks}
        return {key for key in stored if cells.width[key]}
