"""The build: the order of the stages, what is cached of them, and the job folder that they leave.

Imported by other rooms:

* build: `Builder`
* publish: `Ready`
* request: `Request`
"""
