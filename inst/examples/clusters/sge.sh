#!/bin/bash
#$ -N rrq
#$ -t 1-20
#$ -l h_rt=04:00:00
#$ -l h_vmem=4G
#$ -cwd
#$ -j y
# Twenty workers of the queue "sims": qsub sge.sh
set -eu

name=sge-${JOB_ID:?}-${SGE_TASK_ID:?}
RRQ_URL=$(cat "$HOME/.rrq-url")
export RRQ_URL

exec "$HOME/bin/rrq_worker" --config=cluster --worker-id="$name" --timeout-config=60 sims
