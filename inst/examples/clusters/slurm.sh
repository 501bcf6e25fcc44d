#!/bin/bash
#SBATCH --job-name=rrq
#SBATCH --array=1-20
#SBATCH --time=04:00:00
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --output=logs/%x-%A_%a.log
#SBATCH --signal=B:USR1@600
# Twenty workers of the queue "sims". Create the folder logs, then: sbatch slurm.sh
set -eu

name=slurm-${SLURM_ARRAY_JOB_ID:?}-${SLURM_ARRAY_TASK_ID:?}
RRQ_URL=$(cat "$HOME/.rrq-url")
export RRQ_URL

# Ten minutes before the time limit: finish the current task, then exit.
drain() {
  Rscript -e "rrq::rrq_worker_stop('$name', controller = rrq::rrq_controller('sims'))" || true
}
trap drain USR1

"$HOME/bin/rrq_worker" --config=cluster --worker-id="$name" --timeout-config=60 sims &
worker=$!
# The signal ends `wait`, not the worker.
until wait "$worker"; do
  kill -0 "$worker" 2>/dev/null || exit 1
done
