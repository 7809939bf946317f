"""Calls out of Stepwell, which are all made here: to agents that are to recover a run, and about alerts.

`addresses` says where a call may go, `signing` how a receiver knows who sent it, `sending` makes one call, `registry`
keeps the webhooks that people set up, `outbox` what is to be sent and what became of it. A worker sends (`running`).
"""
