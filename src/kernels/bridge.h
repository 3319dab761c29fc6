/* What both halves of the bridge between Python and the kernels share: buffers in, buffers out, every size checked.
   Only the stable ABI of Python 3.11 is used, so that one build serves all later versions. */
#ifndef UPTAKE_BRIDGE_H
#define UPTAKE_BRIDGE_H

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include "kernels.h"

extern PyMethodDef texture_methods[], shape_methods[];

#define MOST_BUFFERS 6

/* The buffers of one call, released together. */
typedef struct {
    Py_buffer views[MOST_BUFFERS];
    int count;
} Buffers;

static inline void release(Buffers *buffers)
{
    while (buffers->count)
        PyBuffer_Release(&buffers->views[--buffers->count]);
}

/* A C-contiguous buffer with `ndim` axes (0: any number) and items of one of the struct codes in `formats`. */
static inline Py_buffer *take(Buffers *buffers, PyObject *object, const char *formats, int ndim, int writable)
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

static inline int expect(int holds, const char *words)
{
    if (!holds)
        PyErr_SetString(PyExc_ValueError, words);
    return holds;
}

static inline PyObject *done(Buffers *buffers, int failed)
{
    release(buffers);
    if (failed)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static inline PyObject *wrong(Buffers *buffers)
{
    release(buffers);
    return NULL;
}

static inline Box box_of(const Py_buffer *array)
{
    return (Box){array->shape[0], array->shape[1], array->shape[2], 0, 0, array->shape[0]};
}

#endif
