# The grids of docs/scaling.md: sh results/scaling/grids.sh FOLDER_OF_KUAIRAND_PURE
set -e
options="--dataset kuairand_pure --data-dir $1 --models rank_mixer rank_elastor --seeds 0 1
--budget epochs=1 --batch-size 2048 --workers 0 --folder searches
--set model.arguments.num_tokens=5 --set model.arguments.embedding_dim=10
--set model.arguments.dropout=0.0 --set protocol.embedding_l2_lambda=1e-5"
python tuning/width.py $options --widths 10 20 40 80 --depths 2
python tuning/depth.py $options --widths 20 --depths 1 2 3 4
python tuning/joint.py $options --widths 10 20 30 40 --depths 1 2 3 4
python tuning/curves.py searches/width_* searches/depth_* searches/joint_*
