/* The kernels that read grey levels, for one type of them. Included by texture.c with LEVEL (uint8_t or uint16_t),
   SUM (what holds the sum of all neighbours) and NAME(x) set: not a header of its own. */

/* The voxels of a row from its first to its last one inside; false where there is none. */
static int NAME(ends)(const LEVEL *row, ptrdiff_t size, ptrdiff_t *from, ptrdiff_t *to)
{
    ptrdiff_t a = 0, b = size - 1;
    while (a < size && !row[a])
        a++;
    if (a == size)
        return 0;
    while (!row[b])
        b--;
    *from = a;
    *to = b;
    return 1;
}

/* tables[d][a][b] += voxels of level a whose neighbour in direction d has level b; level 0 is counted with the rest,
   which spares a branch per pair. */
int NAME(glcm)(const LEVEL *levels, Box box, Steps steps, uint32_t *tables, ptrdiff_t side)
{
    ptrdiff_t cells = side * side, from, to;
    /* Equal pairs in a row would wait for each other's increment: two tables in turn, where that pays. */
    int two = (box.last - box.first) * box.ny * box.nx > 8 * cells;
    uint32_t *second = two ? calloc((size_t)(steps.count * cells), sizeof *second) : NULL;
    if (two && !second)
        return -1;
    for (ptrdiff_t z = box.first + box.margin; z < box.last + box.margin; z++)
        for (ptrdiff_t y = box.margin; y < box.ny - box.margin; y++) {
            const LEVEL *row = levels + (z * box.ny + y) * box.nx;
            if (!NAME(ends)(row, box.nx, &from, &to))
                continue;
            for (ptrdiff_t d = 0; d < steps.count; d++) {
                const LEVEL *other = row + offset_of(box, steps.steps + 3 * d);
                uint32_t *even = tables + d * cells, *odd = two ? second + d * cells : even;
                ptrdiff_t x = from;
                for (; x < to; x += 2) {
                    even[row[x] * side + other[x]]++;
                    odd[row[x + 1] * side + other[x + 1]]++;
                }
                if (x == to)
                    even[row[x] * side + other[x]]++;
            }
        }
    if (two)
        for (ptrdiff_t i = 0; i < steps.count * cells; i++)
            tables[i] += second[i];
    free(second);
    return 0;
}

/* Runs of n voxels of a level along each direction, as cells (matrix, level, n, how many): a matrix per direction, or
   per slice and direction if `flat`. Runs of one voxel are not looked for: they are the voxels that no longer run has. */
int NAME(runs)(const LEVEL *levels, Box box, Steps steps, int flat, ptrdiff_t side, ptrdiff_t lengths, Rows *found)
{
    ptrdiff_t cells = side * lengths, from, to, plane = box.ny * box.nx;
    uint8_t *starts = calloc((size_t)box.nx + 8, 1);
    uint32_t *voxels = calloc((size_t)side, sizeof *voxels), *tables = calloc((size_t)(steps.count * cells), sizeof *tables);
    ptrdiff_t *longest = calloc((size_t)steps.count, sizeof *longest);
    int failed = !starts || !voxels || !tables || !longest;
    for (ptrdiff_t z = box.margin; z < box.nz - box.margin && !failed; z++) {
        for (ptrdiff_t y = box.margin; y < box.ny - box.margin; y++) {
            const LEVEL *row = levels + z * plane + y * box.nx;
            if (!NAME(ends)(row, box.nx, &from, &to))
                continue;
            ptrdiff_t size = to - from + 1;
            row += from;
            for (ptrdiff_t x = 0; x < size; x++)
                voxels[row[x]]++;
            for (ptrdiff_t d = 0; d < steps.count; d++) {
                ptrdiff_t step = offset_of(box, steps.steps + 3 * d);
                const LEVEL *before = row - step, *after = row + step;
                uint32_t *table = tables + d * cells;
                for (ptrdiff_t x = 0; x < size; x++)
                    starts[x] = (uint8_t)((row[x] != 0) & (before[x] != row[x]) & (after[x] == row[x]));
                memset(starts + size, 0, 8);
                for (ptrdiff_t word = 0; word < size; word += 8)
                    for (uint64_t set = load(starts + word); set; set = without_first(set)) {
                        ptrdiff_t x = word + first_of(set), length = 2;
                        LEVEL level = row[x];
                        for (const LEVEL *at = after + x + step; *at == level; at += step)
                            length++;
                        table[level * lengths + length]++;
                        longest[d] = length > longest[d] ? length : longest[d];
                    }
            }
        }
        if (flat || z == box.nz - box.margin - 1) {
            for (ptrdiff_t d = 0; d < steps.count && !failed; d++) {
                ptrdiff_t matrix = flat ? (z - box.margin) * steps.count + d : d;
                failed = emit_runs(found, (int32_t)matrix, voxels, tables + d * cells, side, lengths, longest[d]);
                longest[d] = 0;
            }
            memset(voxels, 0, (size_t)side * sizeof *voxels);
        }
    }
    free(starts), free(voxels), free(tables), free(longest);
    return failed ? -1 : 0;
}

/* Per level and number of neighbours (0 ... steps.count), voxels with so many neighbours that differ by alpha at most
   (dependence), with so many inside (counts), and the sum over these of |level * neighbours - sum of neighbours|
   (differences): whole numbers, exact. */
int NAME(neighbours)(const LEVEL *levels, Box box, Steps steps, int alpha, uint32_t *dependence, uint32_t *counts,
                     uint64_t *differences)
{
    ptrdiff_t width = steps.count + 1, from, to;
    SUM *sum = malloc((size_t)box.nx * sizeof *sum);
    LEVEL *inside = malloc((size_t)box.nx * sizeof *inside), *alike = malloc((size_t)box.nx * sizeof *alike);
    if (!sum || !inside || !alike) {
        free(sum), free(inside), free(alike);
        return -1;
    }
    for (ptrdiff_t z = box.first + box.margin; z < box.last + box.margin; z++)
        for (ptrdiff_t y = box.margin; y < box.ny - box.margin; y++) {
            const LEVEL *row = levels + (z * box.ny + y) * box.nx;
            if (!NAME(ends)(row, box.nx, &from, &to))
                continue;
            ptrdiff_t size = to - from + 1;
            row += from;
            memset(sum, 0, (size_t)size * sizeof *sum);
            memset(inside, 0, (size_t)size * sizeof *inside);
            memset(alike, 0, (size_t)size * sizeof *alike);
            for (ptrdiff_t d = 0; d < steps.count; d++) {
                const LEVEL *other = row + offset_of(box, steps.steps + 3 * d);
                for (ptrdiff_t x = 0; x < size; x++)
                    sum[x] = (SUM)(sum[x] + other[x]);
                for (ptrdiff_t x = 0; x < size; x++)
                    inside[x] = (LEVEL)(inside[x] + (other[x] != 0));
                if (alpha == 0)
                    for (ptrdiff_t x = 0; x < size; x++)
                        alike[x] = (LEVEL)(alike[x] + (other[x] == row[x]));
                else
                    for (ptrdiff_t x = 0; x < size; x++)
                        alike[x] = (LEVEL)(alike[x] + (other[x] && abs((int)other[x] - (int)row[x]) <= alpha));
            }
            for (ptrdiff_t x = 0; x < size; x++) {
                ptrdiff_t level = row[x], seen = inside[x];
                if (!level)
                    continue;
                int64_t difference = (int64_t)level * seen - (int64_t)sum[x];
                dependence[level * width + alike[x]]++;
                counts[level * width + seen]++;
                differences[level * width + seen] += (uint64_t)(difference < 0 ? -difference : difference);
            }
        }
    free(sum), free(inside), free(alike);
    return 0;
}

/* Joins the zones of a row with those of one earlier row. `parent` leads each voxel to the first one of its run. */
static void NAME(join)(const LEVEL *row, const LEVEL *other, ptrdiff_t size, ptrdiff_t at, ptrdiff_t step,
                       int32_t *parent, uint8_t *need)
{
    /* where the other voxel is, by the number below: straight across, before it, after it */
    static const int8_t aside[8] = {0, 0, -1, 0, 1, 0, -1, 0};
    for (ptrdiff_t x = 0; x < size; x++) {
        LEVEL level = row[x];
        /* same run as the voxel before or after; same level straight across, before and after it there */
        uint8_t inside = level != 0, before = row[x - 1] == level, after = row[x + 1] == level;
        uint8_t across = other[x] == level, left = other[x - 1] == level, right = other[x + 1] == level;
        uint8_t straight = inside & across & ((left & before) ^ 1);
        uint8_t leftward = inside & left & (across ^ 1) & (before ^ 1);
        uint8_t rightward = inside & right & (across ^ 1) & (after ^ 1);
        need[x] = (uint8_t)(straight | leftward << 1 | rightward << 2);
    }
    memset(need + size, 0, 8);
    for (ptrdiff_t word = 0; word < size; word += 8)
        for (uint64_t set = load(need + word); set; set = without_first(set)) {
            ptrdiff_t x = word + first_of(set);
            int32_t here = (int32_t)(at + x), there = (int32_t)(at + x + step);
            unite(parent, here, there + aside[need[x]]);
            if (need[x] == 6)
                unite(parent, here, there + 1);
        }
}

/* Zones of voxels of one level that touch at a face, edge or corner: in 3D, or each slice for itself if `flat`. */
int NAME(zones)(const LEVEL *levels, const uint16_t *distances, Box box, int flat, Rows *zones)
{
    static const int rows[4][2] = {{0, -1}, {-1, -1}, {-1, 0}, {-1, 1}};
    ptrdiff_t from, to, plane = box.ny * box.nx;
    int32_t *parent = malloc((size_t)(box.nz * plane) * sizeof *parent);
    uint8_t *need = malloc((size_t)box.nx + 8);
    int failed = !parent || !need;
    for (ptrdiff_t z = box.margin; z < box.nz - box.margin && !failed; z++)
        for (ptrdiff_t y = box.margin; y < box.ny - box.margin; y++) {
            ptrdiff_t at = z * plane + y * box.nx;
            if (!NAME(ends)(levels + at, box.nx, &from, &to))
                continue;
            at += from;
            const LEVEL *row = levels + at;
            ptrdiff_t start = at;
            for (ptrdiff_t x = 0; x <= to - from; x++) {
                if (row[x] != row[x - 1])
                    start = at + x;
                parent[at + x] = (int32_t)start;
            }
            for (int r = 0; r < (flat ? 1 : 4); r++) {
                ptrdiff_t step = rows[r][0] * plane + rows[r][1] * box.nx;
                NAME(join)(row, row + step, to - from + 1, at, step, parent, need);
            }
        }
    /* The first voxel of a zone is its root; from then on the place of a voxel holds ~(number of its zone). Without
       branches, which no processor could foresee: a row of a zone is always written, and kept if the zone is new. */
    for (ptrdiff_t z = box.margin; z < box.nz - box.margin && !failed; z++)
        for (ptrdiff_t y = box.margin; y < box.ny - box.margin && !failed; y++) {
            ptrdiff_t at = z * plane + y * box.nx;
            if (!NAME(ends)(levels + at, box.nx, &from, &to))
                continue;
            failed = make_room(zones, box.nx);
            for (ptrdiff_t x = at + from; x <= at + to && !failed; x++) {
                if (!levels[x])
                    continue;
                int32_t above = parent[x], begun = (int32_t)zones->count, known = ~parent[above];
                int32_t zone = above == (int32_t)x ? begun : known;
                set_row(zones, begun, levels[x], 0, INT32_MAX, flat ? (int32_t)(z - box.margin) : 0);
                zones->count += above == (int32_t)x;
                parent[x] = ~zone;
                int32_t *row = zones->rows + 4 * (ptrdiff_t)zone, distance = distances[x];
                row[1]++;
                row[2] = distance < row[2] ? distance : row[2];
            }
        }
    free(parent), free(need);
    return failed ? -1 : 0;
}
