"""Order of a directed graph."""

__all__ = ["ordered"]


def ordered(nodes, successors):
    """Return strongly connected components, each after those that it leads to.

    Parameters
    ----------
    nodes : iterable
        Where to start from, in order; the result depends on nothing else.
    successors : callable
        Maps a node to an iterable of the nodes it leads to.

    Returns
    -------
    list of list
        Components. One with a single node is a cycle only if the node leads to itself.

    Source
    ------
    R. Tarjan, "Depth-first search and linear graph algorithms", 1972; without recursion.
    """
    index, low, open_, stack, components = {}, {}, set(), [], []
    for root in nodes:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        open_.add(root)
        path = [(root, iter(successors(root)))]
        while path:
            node, rest = path[-1]
            for other in rest:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    open_.add(other)
                    path.append((other, iter(successors(other))))
                    break
                if other in open_ and index[other] < low[node]:
                    low[node] = index[other]
            else:
                path.pop()
                if path and low[node] < low[path[-1][0]]:
                    low[path[-1][0]] = low[node]
                if low[node] == index[node]:
                    component = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        open_.discard(component[-1])
                    component.reverse()
                    components.append(component)
    return components
