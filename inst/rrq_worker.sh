#!/bin/sh
# Starts a worker of an rrq queue; see rrq_worker --help. Created by rrq::rrq_worker_script().
exec @RSCRIPT@ -e 'rrq:::worker_script()' --args "$@"
