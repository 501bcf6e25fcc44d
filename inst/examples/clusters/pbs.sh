#!/bin/bash
#PBS -N rrq
#PBS -J 1-20
#PBS -l select=1:ncpus=1:mem=4gb
#PBS -l walltime=04:00:00
#PBS -j oe
# Twenty workers of the queue "sims": qsub pbs.sh
set -eu

cd "${PBS_O_WORKDIR:?}"
name=pbs-${PBS_JOBID%%[*}-${PBS_ARRAY_INDEX:?}
RRQ_URL=$(cat "$HOME/.rrq-url")
export RRQ_URL

exec "$HOME/bin/rrq_worker" --config=cluster --worker-id="$name" --timeout-config=60 sims
