/* The bridge between Python and the kernels: buffers in, buffers out, every size checked, the GIL released.
   Only the stable ABI of Python 3.11 is used, so that one build serves all later versions. */
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define MOST_BUFFERS 6

/* The buffers of one call, released together. */
typedef struct {
    Py_buffer views[MOST_BUFFERS];
    int count;
} Buffers;

static void release(Buffers *buffers)
{
    while (buffers->count)
        PyBuffer_Release(&buffers->views[--buffers->count]);
}

/* A C-contiguous buffer with `ndim` axes (0: any number) and items of one of the struct codes in `formats`. */
static Py_buffer *take(Buffers *buffers, PyObject *object, const char *formats, int ndim, int writable)
{
    Py_buffer *view = &buffers->views[buffers->count];
    int flags = PyBUF_ND | PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags) < 0)
        return NULL;
    buffers->count++;
    const char *format = view->format ? view->format : "B";
    if (strlen(format) != 1 || !strchr(formats, format[0]) || (ndim && view->ndim != ndim)) {
        PyErr_Format(PyExc_ValueError, "an array of type '%s' with %d axes was given, not one of '%s' with %d", format,
                     view->ndim, formats, ndim);
        return NULL;
    }
    return view;
}

static int expect(int holds, const char *words)
{
    if (!holds)
        PyErr_SetString(PyExc_ValueError, words);
    return holds;
}

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

static PyObject *done(Buffers *buffers, int failed)
{
    release(buffers);
    if (failed)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *wrong(Buffers *buffers)
{
    release(buffers);
    return NULL;
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

static Box box_of(const Py_buffer *array)
{
    return (Box){array->shape[0], array->shape[1], array->shape[2], 0, 0, array->shape[0]};
}

PyDoc_STRVAR(extent_doc, "extent(mask) -> (int, ...)\n\nFirst and one past the last place along z, y, x of all that is not zero;\n"
                         "an empty tuple where there is nothing.");

static PyObject *py_extent(PyObject *Py_UNUSED(self), PyObject *mask)
{
    Buffers buffers = {0};
    Py_buffer *in = take(&buffers, mask, "B?", 3, 0);
    if (!in)
        return wrong(&buffers);
    ptrdiff_t ends[6];
    int found;
    Py_BEGIN_ALLOW_THREADS
    found = extent(in->buf, box_of(in), ends);
    Py_END_ALLOW_THREADS
    release(&buffers);
    return found ? Py_BuildValue("nnnnnn", ends[0], ends[1], ends[2], ends[3], ends[4], ends[5]) : PyTuple_New(0);
}

PyDoc_STRVAR(cubes_doc, "cubes(mask, counts)\n\nAdd to counts (2, 256) the cubes of eight voxels of each kind but 0 and 255, and the\n"
                        "slices in which they begin.");

static PyObject *py_cubes(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *mask, *counts;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OO", &mask, &counts))
        return NULL;
    Py_buffer *in = take(&buffers, mask, "B?", 3, 0), *out = in ? take(&buffers, counts, "d", 2, 1) : NULL;
    if (!out || !expect(out->shape[0] == 2 && out->shape[1] == 256, "256 numbers twice"))
        return wrong(&buffers);
    Py_BEGIN_ALLOW_THREADS
    cubes(in->buf, box_of(in), out->buf, (double *)out->buf + 256);
    Py_END_ALLOW_THREADS
    return done(&buffers, 0);
}

static Py_ssize_t inside(const Py_buffer *mask)
{
    Py_ssize_t n = 0;
    for (const uint8_t *at = mask->buf, *end = at + mask->len; at < end; at++)
        n += *at != 0;
    return n;
}

PyDoc_STRVAR(moments_doc, "moments(mask, weights, out)\n\nFourteen sums over the voxels of a mask: their number; z, y, x;\n"
                          "zz, yy, xx, zy, zx, yx; and with one weight a voxel (or none at all) w, wz, wy, wx.");

static PyObject *py_moments(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *mask, *weights, *sums;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OOO", &mask, &weights, &sums))
        return NULL;
    Py_buffer *in = take(&buffers, mask, "B?", 3, 0), *w = in ? take(&buffers, weights, "d", 1, 0) : NULL;
    Py_buffer *out = w ? take(&buffers, sums, "d", 1, 1) : NULL;
    if (!out || !expect(out->shape[0] == 14, "fourteen sums") ||
        !expect(!w->shape[0] || w->shape[0] == inside(in), "a weight for every voxel of the mask"))
        return wrong(&buffers);
    Py_BEGIN_ALLOW_THREADS
    moments(in->buf, box_of(in), w->shape[0] ? w->buf : NULL, out->buf);
    Py_END_ALLOW_THREADS
    return done(&buffers, 0);
}

PyDoc_STRVAR(hull_doc, "hull(mask) -> (bytes, bytes)\n\nThe convex hull of all points half a step from a voxel: three int32 a\n"
                       "corner, z, y, x in half steps; three int32 a triangle, its corners, outside in front.");

static PyObject *py_hull(PyObject *Py_UNUSED(self), PyObject *mask)
{
    Buffers buffers = {0};
    Py_buffer *in = take(&buffers, mask, "B?", 3, 0);
    if (!in || !expect(inside(in) > 0, "a mask with a voxel") ||
        !expect(in->shape[0] * in->shape[1] < INT32_MAX / 32 && in->shape[0] < 65536 && in->shape[1] < 65536 &&
                    in->shape[2] < 65536,
                "a mask of at most 65535 voxels along an axis"))
        return wrong(&buffers);
    Polyhedron found;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = hull(in->buf, box_of(in), &found);
    Py_END_ALLOW_THREADS
    release(&buffers);
    const Py_ssize_t three = 3 * sizeof *found.corners;
    PyObject *both = failed ? PyErr_NoMemory()
                            : Py_BuildValue("y#y#", found.corners, found.corner_count * three, found.triangles,
                                            found.triangle_count * three);
    free(found.corners), free(found.triangles);
    return both;
}

PyDoc_STRVAR(farthest_doc, "farthest(points) -> float\n\nThe largest squared distance between two points, shape (n, 3).");

static PyObject *py_farthest(PyObject *Py_UNUSED(self), PyObject *points)
{
    Buffers buffers = {0};
    Py_buffer *in = take(&buffers, points, "d", 2, 0);
    if (!in || !expect(in->shape[1] == 3, "points have three coordinates"))
        return wrong(&buffers);
    double found;
    Py_BEGIN_ALLOW_THREADS
    found = farthest(in->buf, in->shape[0]);
    Py_END_ALLOW_THREADS
    release(&buffers);
    return PyFloat_FromDouble(found);
}

PyDoc_STRVAR(measure_doc, "measure(corners, triangles, normals) -> (float, float)\n\nArea and volume of a convex polyhedron, corners\n"
                          "(n, 3), three of their numbers a triangle (m, 3); fills in normals (m, 3), twice as long as it is large.");

static PyObject *py_measure(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *corners, *triangles, *normals;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OOO", &corners, &triangles, &normals))
        return NULL;
    Py_buffer *points = take(&buffers, corners, "d", 2, 0), *faces = points ? take(&buffers, triangles, "i", 2, 0) : NULL;
    Py_buffer *out = faces ? take(&buffers, normals, "d", 2, 1) : NULL;
    if (!out || !expect(points->shape[1] == 3 && faces->shape[1] == 3 && out->shape[1] == 3 && out->shape[0] == faces->shape[0],
                        "three coordinates, three corners, a normal for every triangle"))
        return wrong(&buffers);
    const int32_t *number = faces->buf;
    for (Py_ssize_t i = 0; i < 3 * faces->shape[0]; i++)
        if (!expect(number[i] >= 0 && number[i] < points->shape[0], "a triangle has corners that there are"))
            return wrong(&buffers);
    double found[2];
    Py_BEGIN_ALLOW_THREADS
    measure(points->buf, faces->buf, faces->shape[0], out->buf, found);
    Py_END_ALLOW_THREADS
    release(&buffers);
    return Py_BuildValue("dd", found[0], found[1]);
}

PyDoc_STRVAR(eigenvalues_doc, "eigenvalues(matrix, out)\n\nThose of a symmetric matrix of 3 x 3, rising.");

static PyObject *py_eigenvalues(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *matrix, *values;
    double copy[3][3];
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OO", &matrix, &values))
        return NULL;
    Py_buffer *in = take(&buffers, matrix, "d", 2, 0), *out = in ? take(&buffers, values, "d", 1, 1) : NULL;
    if (!out || !expect(in->shape[0] == 3 && in->shape[1] == 3 && out->shape[0] == 3, "a matrix of 3 x 3, three values"))
        return wrong(&buffers);
    memcpy(copy, in->buf, sizeof copy);
    eigenvalues(copy, out->buf);
    return done(&buffers, 0);
}

PyDoc_STRVAR(ellipsoid_doc, "ellipsoid(points, tolerance, most, axes)\n\nSemi-axes of the smallest ellipsoid around points (n, 3).");

static PyObject *py_ellipsoid(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *points, *axes;
    double tolerance;
    Py_ssize_t most;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OdnO", &points, &tolerance, &most, &axes))
        return NULL;
    Py_buffer *in = take(&buffers, points, "d", 2, 0), *out = in ? take(&buffers, axes, "d", 1, 1) : NULL;
    if (!out || !expect(in->shape[0] > 3 && in->shape[1] == 3, "four points or more with three coordinates") ||
        !expect(out->shape[0] == 3, "three semi-axes"))
        return wrong(&buffers);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = ellipsoid(in->buf, in->shape[0], tolerance, most, out->buf);
    Py_END_ALLOW_THREADS
    if (!expect(failed <= 0, "the ellipsoid was not found in so many steps"))
        return wrong(&buffers);
    return done(&buffers, failed);
}

PyDoc_STRVAR(cuboid_doc, "cuboid(points, normals, starts, lengths)\n\nEdge lengths of a smallest box around points (n, 3); begun along\n"
                         "the axes and across the largest faces of their hull, normals (m, 3) as long as these are large.");

static PyObject *py_cuboid(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *points, *normals, *lengths;
    Py_ssize_t starts;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OOnO", &points, &normals, &starts, &lengths))
        return NULL;
    Py_buffer *in = take(&buffers, points, "d", 2, 0), *faces = in ? take(&buffers, normals, "d", 2, 0) : NULL;
    Py_buffer *out = faces ? take(&buffers, lengths, "d", 1, 1) : NULL;
    if (!out || !expect(in->shape[0] > 3 && in->shape[1] == 3, "four points or more with three coordinates") ||
        !expect(faces->shape[1] == 3, "a normal has three parts") || !expect(out->shape[0] == 3, "three lengths"))
        return wrong(&buffers);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = cuboid(in->buf, in->shape[0], faces->buf, faces->shape[0], starts, out->buf);
    Py_END_ALLOW_THREADS
    return done(&buffers, failed);
}

PyDoc_STRVAR(balls_doc, "balls(running, columns, mask, out)\n\nSums over a ball round each voxel of the mask, in order. running:\n"
                        "sums along x of an image with a margin round the mask, one more x in front; columns: z, y, first x\n"
                        "and x after the last, from the margin's corner.");

static PyObject *py_balls(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *running, *columns, *mask, *sums;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OOOO", &running, &columns, &mask, &sums))
        return NULL;
    Py_buffer *in = take(&buffers, running, "d", 3, 0), *ball = in ? take(&buffers, columns, "i", 2, 0) : NULL;
    Py_buffer *where = ball ? take(&buffers, mask, "B?", 3, 0) : NULL, *out = where ? take(&buffers, sums, "d", 1, 1) : NULL;
    if (!out || !expect(ball->shape[1] == 4, "a column has four parts") ||
        !expect(out->shape[0] == inside(where), "a sum for every voxel of the mask"))
        return wrong(&buffers);
    const int32_t *column = ball->buf;
    for (Py_ssize_t c = 0; c < ball->shape[0]; c++, column += 4)
        if (!expect(column[0] >= 0 && column[1] >= 0 && column[2] >= 0 && column[3] >= column[2] &&
                        column[0] + where->shape[0] <= in->shape[0] && column[1] + where->shape[1] <= in->shape[1] &&
                        column[3] + where->shape[2] <= in->shape[2],
                    "columns lie inside of the margin"))
            return wrong(&buffers);
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = balls(in->buf, box_of(in), ball->buf, ball->shape[0], where->buf, box_of(where), out->buf);
    Py_END_ALLOW_THREADS
    return done(&buffers, failed);
}

PyDoc_STRVAR(pair_sums_doc, "pair_sums(a, b, c, kernel, even) -> (float, float, float)\n\nSums of kernel |a|^2, kernel |b|^2 and\n"
                            "kernel Re(conj(a) c) over half spectra (real and imaginary parts in turn); even: the length of\n"
                            "the last axis before it was halved.");

static PyObject *py_pair_sums(PyObject *Py_UNUSED(self), PyObject *args)
{
    PyObject *objects[4];
    int even;
    Buffers buffers = {0};
    if (!PyArg_ParseTuple(args, "OOOOp", &objects[0], &objects[1], &objects[2], &objects[3], &even))
        return NULL;
    Py_buffer *taken[4];
    for (int i = 0; i < 4; i++) {
        taken[i] = take(&buffers, objects[i], "d", 3, 0);
        if (!taken[i] || !expect(taken[i]->shape[0] == taken[0]->shape[0] && taken[i]->shape[1] == taken[0]->shape[1] &&
                                     (i < 3 ? taken[i]->shape[2] == taken[0]->shape[2]
                                            : 2 * taken[i]->shape[2] == taken[0]->shape[2]),
                                 "spectra of one shape, the kernel half as wide"))
            return wrong(&buffers);
    }
    const Py_ssize_t *shape = taken[3]->shape;
    double sums[3];
    Py_BEGIN_ALLOW_THREADS
    pair_sums(taken[0]->buf, taken[1]->buf, taken[2]->buf, taken[3]->buf, shape[0] * shape[1], shape[2], even, sums);
    Py_END_ALLOW_THREADS
    release(&buffers);
    return Py_BuildValue("ddd", sums[0], sums[1], sums[2]);
}

static PyMethodDef methods[] = {
    {"glcm", py_glcm, METH_VARARGS, glcm_doc},
    {"margins", py_margins, METH_VARARGS, margins_doc},
    {"runs", py_runs, METH_VARARGS, runs_doc},
    {"neighbours", py_neighbours, METH_VARARGS, neighbours_doc},
    {"tones", py_tones, METH_VARARGS, tones_doc},
    {"zones", py_zones, METH_VARARGS, zones_doc},
    {"cell_sums", py_cell_sums, METH_VARARGS, cell_sums_doc},
    {"distances", py_distances, METH_VARARGS, distances_doc},
    {"extent", py_extent, METH_O, extent_doc},
    {"cubes", py_cubes, METH_VARARGS, cubes_doc},
    {"moments", py_moments, METH_VARARGS, moments_doc},
    {"hull", py_hull, METH_O, hull_doc},
    {"farthest", py_farthest, METH_O, farthest_doc},
    {"measure", py_measure, METH_VARARGS, measure_doc},
    {"eigenvalues", py_eigenvalues, METH_VARARGS, eigenvalues_doc},
    {"ellipsoid", py_ellipsoid, METH_VARARGS, ellipsoid_doc},
    {"cuboid", py_cuboid, METH_VARARGS, cuboid_doc},
    {"balls", py_balls, METH_VARARGS, balls_doc},
    {"pair_sums", py_pair_sums, METH_VARARGS, pair_sums_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernels", "Compiled passes over voxels.", 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernels(void)
{
    prepare_logarithms();
    return PyModule_Create(&definition);
}
