"""Secrets in the configs of assistants, runs and schedules.

A config is stored as everybody may see it, with `***` in place of each secret, and beside it a list of the secrets,
each encrypted, with the path that leads to its place. So what shows a config never decrypts anything, and cannot show
a secret by mistake; what a client sends is never taken for something encrypted. Only a run has its secrets put back.

- `places`: which values are secret
- `masks`: what is shown of an address with secrets in it
- `counterparts`: which stored tool a sent one stands for, where `***` is sent back
- `sealing`: taking them out, and putting them back
"""
