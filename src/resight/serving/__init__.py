"""Pages for a person in front of this machine: loopback only, a token in the address, checked before anything else."""
