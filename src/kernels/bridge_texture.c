/* The bridge from Python to the kernels of texture: the GIL is released while they run. */
#include "bridge.h"

/* Grey levels and what is done to them: common to all kernels that read them. */
typedef struct {
    Py_buffer *levels;
    Box box;
    Steps steps;
} Field;

static int take_field(Buffers *buffers, PyObject *levels, PyObject *steps, Py_ssize_t first, Py_ssize_t last,
                      Field *field)
{
    field->levels = take(buffers, levels, "BH", 3, 0);
    Py_buffer *taken = field->levels ? take(buffers, steps, "i", 2, 0) : NULL;
    if (!taken || !expect(taken->shape[1] == 3, "a step has three parts"))
        return 0;
    field->steps.steps = taken->buf;
    field->steps.count = taken->shape[0];
    int32_t margin = 1;
    for (Py_ssize_t i = 0; i < 3 * field->steps.count; i++)
        margin = abs(field->steps.steps[i]) > margin ? abs(field->steps.steps[i]) : margin;
    const Py_ssize_t *shape = field->levels->shape;
    field->box = (Box){shape[0], shape[1], shape[2], margin, first, last};
    return expect(shape[0] > 2 * margin && shape[1] > 2 * margin && shape[2] > 2 * margin &&
                      shape[0] * shape[1] * shape[2] < INT32_MAX,
                  "grey levels have a margin as wide as the longest step") &&
           expect(first >= 0 && first <= last && last <= shape[0] - 2 * margin, "slices lie inside of the array");
}

/* The highest level in the slices and their neighbours. */
static Py_ssize_t highest(const Field *field)
{
    const Box *box = &field->box;
    ptrdiff_t from = box->first * box->ny * box->nx, to = (box->last + 2 * box->margin) * box->ny * box->nx;
    uint8_t most = 0;
    uint16_t wide = 0;
    if (field->levels->itemsize == 1)
        for (const uint8_t *at = (const uint8_t *)field->levels->buf + from, *end = at + (to - from); at < end; at++)
            most = *at > most ? *at : most;
    else
        for (const uint16_t *at = (const uint16_t *)field->levels->buf + from, *end = at + (to - from); at < end; at++)
            wide = *at > wide ? *at : wide;
    return most > wide ? most : wide;
}

static int expect_levels(const Field *field, Py_ssize_t side)
{
    return expect(highest(field) < side, "a table has a row for every grey level, 0 included");
}

PyDoc_STRVAR(glcm_doc, "glcm(levels, steps, first, last, tables)\n\nAdd pairs at each step to tables (step, a, b).");

static PyObject *py_glcm(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *levels, *steps, *tables;
    Py_ssize_t first, last;
    Buffers buffers = {0};
    Field field;
    if (!PyArg_ParseTuple(args, "OOnnO", &levels, &steps, &first, &last, &tables))
        return NULL;
    Py_buffer *out = take_field(&buffers, levels, steps, first, last, &field) ? take(&buffers, tables, "I", 3, 1) : NULL;
    if (!out || !expect(out->shape[0] == field.steps.count && out->shape[1] == out->shape[2], "one square table a step") ||
        !expect_levels(&field, out->shape[1]))
        return wrong(&buffers);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = field.levels->itemsize == 1
                 ? glcm_u8(field.levels->buf, field.box, field.steps, out->buf, out->shape[1])
                 : glcm_u16(field.levels->buf, field.box, field.steps, out->buf, out->shape[1]);
    Py_END_ALLOW_THREADS
    return done(&buffers, failed);
}

PyDoc_STRVAR(margins_doc, "margins(tables, out)\n\nSums over each symmetric table a + its transpose, 4 side - 2 numbers:\n"
                          "per level, per difference, per sum of levels; the highest count, the sums of n^2 and n log2 n.");

static PyObject *py_margins(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *tables, *sums;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OO", &tables, &sums))
        return NULL;
    Py_buffer *in = take(&buffers, tables, "I", 3, 0), *out = in ? take(&buffers, sums, "d", 2, 1) : NULL;
    if (!out || !expect(in->shape[1] == in->shape[2] && in->shape[1] > 1 && out->shape[0] == in->shape[0] &&
                            out->shape[1] == 4 * in->shape[1] - 2,
                        "a row of 4 side - 2 numbers for every square table"))
        return wrong(&buffers);
    Py_ssize_t side = in->shape[1];
    Py_BEGIN_ALLOW_THREADS
    memset(out->buf, 0, (size_t)out->len);
    for (Py_ssize_t t = 0; t < in->shape[0]; t++)
        margins((const uint32_t *)in->buf + t * side * side, side, (double *)out->buf + t * out->shape[1]);
    Py_END_ALLOW_THREADS
    return done(&buffers, 0);
}

/* Rows of four as bytes; frees them. */
static PyObject *rows_as_bytes(Rows *rows, int failed)
{
    PyObject *found = failed ? PyErr_NoMemory()
                             : PyBytes_FromStringAndSize((const char *)rows->rows,
                                                         rows->count * 4 * (Py_ssize_t)sizeof *rows->rows);
    free(rows->rows);
    return found;
}

PyDoc_STRVAR(runs_doc, "runs(levels, steps, flat) -> bytes\n\nFour int32 per cell that is not zero: matrix (a step, or a\n"
                       "slice and step), level, length, how many runs.");

static PyObject *py_runs(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *levels, *steps;
    int flat;
    Buffers buffers = {0};
    Field field;
    if (!PyArg_ParseTuple(args, "OOp", &levels, &steps, &flat))
        return NULL;
    if (!take_field(&buffers, levels, steps, 0, 0, &field))
        return wrong(&buffers);
    const Py_ssize_t *shape = field.levels->shape;
    Py_ssize_t longest = shape[0] > shape[1] ? shape[0] : shape[1];
    longest = longest > shape[2] ? longest : shape[2];
    field.box.last = shape[0] - 2 * field.box.margin;
    Rows found = {NULL, 0, 0};
    int failed;
    Py_BEGIN_ALLOW_THREADS
    Py_ssize_t side = highest(&field) + 1;
    failed = field.levels->itemsize == 1
                 ? runs_u8(field.levels->buf, field.box, field.steps, flat, side, longest, &found)
                 : runs_u16(field.levels->buf, field.box, field.steps, flat, side, longest, &found);
    Py_END_ALLOW_THREADS
    release(&buffers);
    return rows_as_bytes(&found, failed);
}

PyDoc_STRVAR(neighbours_doc,
             "neighbours(levels, steps, first, last, alpha, dependence, counts, differences)\n\n"
             "Add to tables (level, neighbours): voxels with so many neighbours within alpha, voxels with so many\n"
             "neighbours inside, and over these the sum of |level * neighbours - sum of the neighbours' levels|.");

static PyObject *py_neighbours(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *levels, *steps, *dependence, *counts, *differences;
    Py_ssize_t first, last;
    int alpha;
    Buffers buffers = {0};
    Field field;
    if (!PyArg_ParseTuple(args, "OOnniOOO", &levels, &steps, &first, &last, &alpha, &dependence, &counts, &differences))
        return NULL;
    if (!take_field(&buffers, levels, steps, first, last, &field))
        return wrong(&buffers);
    Py_buffer *alike = take(&buffers, dependence, "I", 2, 1), *seen = alike ? take(&buffers, counts, "I", 2, 1) : NULL;
    Py_buffer *sums = seen ? take(&buffers, differences, "LQ", 2, 1) : NULL;
    if (!sums || !expect(alike->shape[1] == field.steps.count + 1 && seen->shape[1] == field.steps.count + 1 &&
                             sums->shape[1] == field.steps.count + 1 && sums->itemsize == 8,
                         "a column for every number of neighbours, 0 included") ||
        !expect(seen->shape[0] == alike->shape[0] && sums->shape[0] == alike->shape[0], "tables of one shape") ||
        !expect_levels(&field, alike->shape[0]) ||
        !expect(field.levels->itemsize == 2 || field.steps.count < 256, "more than 255 neighbours need wider levels"))
        return wrong(&buffers);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = field.levels->itemsize == 1
                 ? neighbours_u8(field.levels->buf, field.box, field.steps, alpha, alike->buf, seen->buf, sums->buf)
                 : neighbours_u16(field.levels->buf, field.box, field.steps, alpha, alike->buf, seen->buf, sums->buf);
    Py_END_ALLOW_THREADS
    return done(&buffers, failed);
}

PyDoc_STRVAR(tones_doc, "tones(counts, differences, out)\n\nEight sums (see kernels.h) over each tone difference matrix, rows of its\n"
                        "voxels and differences by level.");

static PyObject *py_tones(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *counts, *differences, *sums;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OOO", &counts, &differences, &sums))
        return NULL;
    Py_buffer *n = take(&buffers, counts, "d", 2, 0), *s = n ? take(&buffers, differences, "d", 2, 0) : NULL;
    Py_buffer *out = s ? take(&buffers, sums, "d", 2, 1) : NULL;
    if (!out || !expect(n->shape[0] == s->shape[0] && n->shape[1] == s->shape[1], "rows of one shape") ||
        !expect(out->shape[0] == n->shape[0] && out->shape[1] == TONE_SUMS, "eight sums for every matrix"))
        return wrong(&buffers);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t m = 0; m < n->shape[0]; m++)
        tones((const double *)n->buf + m * n->shape[1], (const double *)s->buf + m * n->shape[1], n->shape[1],
              (double *)out->buf + m * TONE_SUMS);
    Py_END_ALLOW_THREADS
    return done(&buffers, 0);
}

PyDoc_STRVAR(zones_doc, "zones(levels, distances, margin, flat) -> bytes\n\nFour int32 per zone: level, voxels, least\n"
                        "distance, slice (0 in 3D).");

static PyObject *py_zones(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *levels, *nearest;
    Py_ssize_t margin;
    int flat;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OOnp", &levels, &nearest, &margin, &flat))
        return NULL;
    Py_buffer *in = take(&buffers, levels, "BH", 3, 0), *near = in ? take(&buffers, nearest, "H", 3, 0) : NULL;
    if (!near || !expect(!memcmp(in->shape, near->shape, 3 * sizeof *in->shape), "levels and distances of one shape"))
        return wrong(&buffers);
    const Py_ssize_t *shape = in->shape;
    if (!expect(margin > 0 && shape[0] > 2 * margin && shape[1] > 2 * margin && shape[2] > 2 * margin &&
                    shape[0] * shape[1] * shape[2] < INT32_MAX,
                "grey levels have a margin"))
        return wrong(&buffers);
    Box box = {shape[0], shape[1], shape[2], margin, 0, shape[0] - 2 * margin};
    Rows zones = {NULL, 0, 0};
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = in->itemsize == 1 ? zones_u8(in->buf, near->buf, box, flat, &zones)
                               : zones_u16(in->buf, near->buf, box, flat, &zones);
    Py_END_ALLOW_THREADS
    release(&buffers);
    return rows_as_bytes(&zones, failed);
}

PyDoc_STRVAR(join_doc, "join(source, target, first)\n\nJoin the groups of the members of each pair; first: the first member of\n"
                       "each one's group.");

static PyObject *py_join(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *sources, *targets, *groups;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OOO", &sources, &targets, &groups))
        return NULL;
    Py_buffer *from = take(&buffers, sources, "i", 1, 0), *to = from ? take(&buffers, targets, "i", 1, 0) : NULL;
    Py_buffer *first = to ? take(&buffers, groups, "i", 1, 1) : NULL;
    if (!first || !expect(from->shape[0] == to->shape[0], "as many targets as sources"))
        return wrong(&buffers);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = join(from->buf, to->buf, from->shape[0], first->buf, first->shape[0]);
    Py_END_ALLOW_THREADS
    if (!expect(!failed, "members are numbered from 0, and a group's first one is not after any other"))
        return wrong(&buffers);
    return done(&buffers, 0);
}

/* A column of int32, with any step between them (0: one for all). */
static int take_column(Buffers *buffers, PyObject *object, Py_ssize_t rows, int32_t least, int64_t most, Column *column)
{
    Py_buffer *view = &buffers->views[buffers->count];
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDES | PyBUF_FORMAT) < 0)
        return 0;
    buffers->count++;
    if (!expect(view->format && !strcmp(view->format, "i") && view->ndim == 1, "a column is an array of int32 with one axis") ||
        !expect(rows < 0 || view->shape[0] == rows, "columns of one length"))
        return 0;
    *column = (Column){view->buf, view->strides[0]};
    for (Py_ssize_t row = 0; row < (column->step ? view->shape[0] : view->shape[0] > 0); row++)
        if (!expect(item(*column, row) >= least && item(*column, row) < most, "a number is too small or too large"))
            return 0;
    return 1;
}

PyDoc_STRVAR(cell_sums_doc, "cell_sums(matrix, level, length, number, out)\n\nAdd to out (matrices, 17) the sums of kernels.h over\n"
                            "the cells that the columns name.");

static PyObject *py_cell_sums(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *objects[4], *sums;
    Buffers buffers = {0};
    Column matrix, level, length, number;
    if (!PyArg_ParseTuple(args, "OOOOO", &objects[0], &objects[1], &objects[2], &objects[3], &sums))
        return NULL;
    Py_buffer *out = take(&buffers, sums, "d", 2, 1);
    if (!out || !expect(out->shape[1] == CELL_SUMS && out->shape[0] < 1 << 20, "seventeen sums for every matrix") ||
        !take_column(&buffers, objects[0], -1, 0, out->shape[0], &matrix))
        return wrong(&buffers);
    Py_ssize_t rows = buffers.views[1].shape[0];
    if (!take_column(&buffers, objects[1], rows, 1, 1 << 13, &level) ||
        !take_column(&buffers, objects[2], rows, 1, INT32_MAX, &length) ||
        !take_column(&buffers, objects[3], rows, 1, INT32_MAX, &number))
        return wrong(&buffers);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = cell_sums(matrix, level, length, number, rows, out->buf);
    Py_END_ALLOW_THREADS
    return done(&buffers, failed);
}

PyDoc_STRVAR(distances_doc, "distances(mask, flat, out)\n\nCity-block distance of each voxel to the nearest zero.");

static PyObject *py_distances(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *mask, *result;
    int flat;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OpO", &mask, &flat, &result))
        return NULL;
    Py_buffer *in = take(&buffers, mask, "B", 3, 0), *out = in ? take(&buffers, result, "H", 3, 1) : NULL;
    if (!out || !expect(!memcmp(in->shape, out->shape, 3 * sizeof *in->shape), "mask and result of one shape"))
        return wrong(&buffers);
    Box box = {in->shape[0], in->shape[1], in->shape[2], 0, 0, in->shape[0]};
    Py_BEGIN_ALLOW_THREADS
    distances(in->buf, box, flat, out->buf);
    Py_END_ALLOW_THREADS
    return done(&buffers, 0);
}

PyMethodDef texture_methods[] = {
    {"glcm", py_glcm, METH_VARARGS, glcm_doc},
    {"margins", py_margins, METH_VARARGS, margins_doc},
    {"runs", py_runs, METH_VARARGS, runs_doc},
    {"neighbours", py_neighbours, METH_VARARGS, neighbours_doc},
    {"tones", py_tones, METH_VARARGS, tones_doc},
    {"zones", py_zones, METH_VARARGS, zones_doc},
    {"join", py_join, METH_VARARGS, join_doc},
    {"cell_sums", py_cell_sums, METH_VARARGS, cell_sums_doc},
    {"distances", py_distances, METH_VARARGS, distances_doc},
    {NULL, NULL, 0, NULL},
};
