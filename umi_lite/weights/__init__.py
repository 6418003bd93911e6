"""GGUF and Hugging Face weights: conversion, merging, quantisation."""
