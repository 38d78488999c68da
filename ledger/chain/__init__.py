"""The ledger: an Ethereum chain, embedded or remote, and the one contract that anchors logs.

Import the module you need: `values` is plain data, `client` speaks JSON-RPC, `serving` and
`evm` run the embedded chain.
"""
