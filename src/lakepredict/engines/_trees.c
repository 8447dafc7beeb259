/* Scores an ensemble of decision trees. The trees are data; lakepredict/_worker/compiled.py has the same layout.
 *
 * Eight rows descend a tree together and without a branch, so that the processor need not wait for one load after the
 * other, nor guess where a row goes. A leaf is its own child: every row takes as many steps as the tree is deep.
 * Leaves are added in the order of the trees, as the models' own libraries do, so that sums are theirs to the bit.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define LANES 8
#define BLOCK 128        /* rows that are scored by one tree after the other */
#define LARGE_BLOCK 2048 /* likewise, where trees are so large that each has to be fetched from memory */
#define LARGE 2048       /* nodes of a tree, on average */

enum { IDENTITY = 0, SIGMOID = 1, SOFTMAX = 2, EXPONENTIAL = 3 };

/* A row goes right where its value is greater than the threshold, else left; `next` is twice the place of the left
 * child, which the right one follows, and its lowest bit says whether a missing value goes right. */
typedef struct {
  double threshold;
  int32_t feature;
  int32_t next;
} Node;

typedef struct {
  const Node *nodes;
  const double *values; /* `width` for each node */
  const int32_t *roots;
  const int32_t *depths;
  const int32_t *places; /* of each tree's first value among the outputs */
  const double *base;    /* where the sum of each output begins */
  double divisor;        /* of the sums */
  double alpha;          /* of the sigmoid */
  int32_t nodes_count;
  int32_t trees;
  int32_t features;
  int32_t outputs;
  int32_t width;
  int32_t narrow_inputs; /* inputs are rounded to single precision before they are compared */
  int32_t narrow_sums;   /* sums and what is made of them are in single precision */
  int32_t transform;
} Trees;

#define INLINED static inline __attribute__((always_inline))

INLINED int32_t child(const Node *node, double value, int missing) {
  int32_t right = value > node->threshold;
  if (missing) right |= (value != value) & node->next;
  return (node->next >> 1) + right;
}

/* As many steps as there are; where that is 0, until no row moves. */
INLINED void descend(const Node *nodes, int32_t root, int32_t steps, int missing, const double *x, int32_t features,
                     int32_t *at) {
  int32_t moved = 1;
  for (int lane = 0; lane < LANES; lane++) at[lane] = root;
  for (int32_t step = 0; steps ? step < steps : moved; step++) {
    moved = 0;
    for (int lane = 0; lane < LANES; lane++) {
      const Node *node = nodes + at[lane];
      int32_t next = child(node, x[(int64_t)lane * features + node->feature], missing);
      moved |= next ^ at[lane];
      at[lane] = next;
    }
  }
}

INLINED void add_tree(const Trees *all, int32_t tree, int32_t steps, int missing, const double *x, int64_t rows,
                      double *sums) {
  int single = all->outputs == 1 && !all->narrow_sums;
  for (int64_t row = 0; row < rows; row += LANES) {
    int32_t at[LANES];
    descend(all->nodes, all->roots[tree], steps, missing, x + row * all->features, all->features, at);
    if (single) {
      for (int lane = 0; lane < LANES; lane++) sums[row + lane] += all->values[at[lane]];
      continue;
    }
    for (int lane = 0; lane < LANES; lane++) {
      const double *leaf = all->values + (int64_t)at[lane] * all->width;
      double *sum = sums + (row + lane) * all->outputs + all->places[tree];
      for (int32_t each = 0; each < all->width; each++) {
        double added = sum[each] + leaf[each];
        sum[each] = all->narrow_sums ? (double)(float)added : added;
      }
    }
  }
}

/* The depths of shallow trees are constants, which the compiler unrolls the steps for. */
INLINED void add_trees(const Trees *all, int missing, const double *x, int64_t rows, double *sums) {
  for (int32_t tree = 0; tree < all->trees; tree++) switch (all->depths[tree]) {
      case 1: add_tree(all, tree, 1, missing, x, rows, sums); break;
      case 2: add_tree(all, tree, 2, missing, x, rows, sums); break;
      case 3: add_tree(all, tree, 3, missing, x, rows, sums); break;
      case 4: add_tree(all, tree, 4, missing, x, rows, sums); break;
      case 5: add_tree(all, tree, 5, missing, x, rows, sums); break;
      case 6: add_tree(all, tree, 6, missing, x, rows, sums); break;
      default: add_tree(all, tree, 0, missing, x, rows, sums);
    }
}

static void transform(const Trees *all, double *row) {
  if (all->transform == SOFTMAX) {
    double most = row[0], total = 0;
    for (int32_t each = 1; each < all->outputs; each++)
      if (row[each] > most) most = row[each];
    for (int32_t each = 0; each < all->outputs; each++) {
      row[each] = all->narrow_sums ? (double)expf((float)row[each] - (float)most) : exp(row[each] - most);
      total += row[each];
    }
    for (int32_t each = 0; each < all->outputs; each++)
      row[each] = all->narrow_sums ? (double)((float)row[each] / (float)total) : row[each] / total;
    return;
  }
  for (int32_t each = 0; each < all->outputs; each++) {
    double value = row[each];
    if (all->transform == EXPONENTIAL) row[each] = all->narrow_sums ? (double)expf((float)value) : exp(value);
    if (all->transform != SIGMOID) continue;
    if (all->narrow_sums) {
      /* XGBoost's own bound; beyond it the exponential would be infinite. */
      float power = (float)-value > 88.7f ? 88.7f : (float)-value;
      row[each] = 1.0f / (expf(power) + 1.0f);
    } else {
      row[each] = 1.0 / (1.0 + exp(-all->alpha * value));
    }
  }
}

/* X is rows x features, raw and out are rows x outputs: the sums, and what the transform makes of them.
 * 0, or 1 where there is no memory. */
int lakepredict_score_trees(const Trees *all, const double *X, int64_t rows, double *raw, double *out) {
  int64_t features = all->features, outputs = all->outputs;
  int64_t block = all->nodes_count / (all->trees ? all->trees : 1) > LARGE ? LARGE_BLOCK : BLOCK;
  double *x = calloc((size_t)(block * features), sizeof(double));
  double *sums = malloc((size_t)(block * outputs) * sizeof(double));
  if (!x || !sums) {
    free(x);
    free(sums);
    return 1;
  }
  for (int64_t start = 0; start < rows; start += block) {
    int64_t count = rows - start < block ? rows - start : block;
    int missing = 0;
    for (int64_t place = 0; place < count * features; place++) {
      double value = X[start * features + place];
      missing |= value != value;
      x[place] = all->narrow_inputs ? (double)(float)value : value;
    }
    for (int64_t place = 0; place < block * outputs; place++) sums[place] = all->base[place % outputs];
    if (missing)
      add_trees(all, 1, x, count, sums);
    else
      add_trees(all, 0, x, count, sums);
    for (int64_t place = 0; place < count * outputs; place++)
      raw[start * outputs + place] = out[start * outputs + place] = sums[place] / all->divisor;
    if (all->transform != IDENTITY)
      for (int64_t row = 0; row < count; row++) transform(all, out + (start + row) * outputs);
  }
  free(x);
  free(sums);
  return 0;
}
