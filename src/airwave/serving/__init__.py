"""`airwave.Server`: a node with listeners, in a thread of this process or in a process of its own."""
