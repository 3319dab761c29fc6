/* The extension module: the functions of both halves of the bridge. */
#include "bridge.h"

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernels", "Compiled passes over voxels.", 0, texture_methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernels(void)
{
    prepare_logarithms();
    PyObject *module = PyModule_Create(&definition);
    if (module && PyModule_AddFunctions(module, shape_methods) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
