/* The bridge from Python to the kernels of shape and place: the GIL is released while they run. */
#include "bridge.h"

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

PyMethodDef shape_methods[] = {
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
